package bound

import (
	"fmt"
	"runtime/debug"
)

// Beside runs f in a goroutine of its own. wait returns what f returned when it
// has ended, as often as it is asked. A panic of f is an error there, with its
// stack: a fault of ours that a file brings to light must not end the service.
func Beside(f func() error) (wait func() error) {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		err = f()
	}()
	return func() error {
		<-done
		return err
	}
}
