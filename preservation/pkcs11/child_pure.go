//go:build !cgo

package pkcs11

import (
	"encoding/json"
	"io"
)

// Child says that it can load no module.
func Child(_ []string, _ io.Reader, stdout io.Writer) (exitCode int) {
	json.NewEncoder(stdout).Encode(opened{Error: "this program was built without cgo, which loading a module needs: build it on a machine with gcc"})
	return 1
}
