// Command server is the child process of the embedded object store in tests:
// storetest.Embedded builds it once and starts it.
package main

import (
	"context"
	"fmt"
	"os"

	"bestand/preservation/objectstore"
)

func main() {
	if err := objectstore.Main(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
