package objectstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/versity/versitygw/backend/posix"
)

// beingCompleted ends the name of the folder of an upload in parts while it is
// put together: "<id>.<ETag>.inprogress".
const beingCompleted = ".inprogress"

// undoCompletions gives uploads whose completion was cut off their names back.
// Nobody can list, abort or complete one that has the other name, so that its
// parts would stay for good; and the backend, which takes the name for a
// completion under way, would answer whoever tries again that all is well. The
// parts come last: what is cut off here is done again by the next start.
func (f *folder) undoCompletions() error {
	return errors.Join(undoCompletions(f.meta), undoCompletions(f.objects))
}

func undoCompletions(root string) error {
	claimed, err := fs.Glob(os.DirFS(root), filepath.Join("*", posix.MetaTmpMultipartDir, "*", "*"+beingCompleted))
	if err != nil {
		return err
	}
	for _, name := range claimed {
		id, _, _ := strings.Cut(filepath.Base(name), ".")
		to := filepath.Join(root, filepath.Dir(name), id)
		name = filepath.Join(root, name)
		err := os.Rename(name, to)
		if errors.Is(err, fs.ErrExist) { // parts came meanwhile: nobody was told that any of this is kept
			err = os.RemoveAll(name)
		}
		if err != nil {
			return fmt.Errorf("undo completion of an upload: %w", err)
		}
	}
	return nil
}
