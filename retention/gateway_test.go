package retention

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOneGateway reads every source file of the program: nothing but this package
// destroys objects of a bucket or ends a record in the catalog. What implements a
// Purger, or tests one, may name it.
func TestOneGateway(t *testing.T) {
	allowed := map[string][]string{
		"Purger":        {"retention", "preservation", "preservation/s3", "preservation/replica", "preservation/storetest"},
		"Purge":         {"retention", "preservation/replica", "preservation/storetest", "search"}, // search: of its own index
		"BeginDisposal": {"retention"},
		"Destroy":       {"retention", "preservation/ledger", "preservation/pkcs11"}, // ledger: what the bucket says was destroyed; pkcs11: a session
		"Vault":         {"retention", "cmd/bestand"},                                // which hands it over
		"RemoveObject":  {"preservation/s3"},                                         // the probe's own and staging
	}
	seen := make(map[string]bool)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, "../")))
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		use := func(name string) {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "WithIter"), "s")
			if where, watched := allowed[name]; watched {
				seen[name+" "+dir] = true
				if !slices.Contains(where, dir) {
					t.Errorf("%s uses %s: only package retention destroys (retention.Disposer)", path, name)
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Destroy" {
					use(s.Sel.Name)
				}
			case *ast.SelectorExpr:
				if n.Sel.Name != "Destroy" { // also a disposition: the deed is a call
					use(n.Sel.Name)
				}
			case *ast.InterfaceType:
				for _, m := range n.Methods.List {
					for _, name := range m.Names {
						if dir != "preservation" { // where Purger is declared
							use(name.Name)
						}
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Purge retention", "BeginDisposal retention", "Destroy retention", "Vault cmd/bestand", "RemoveObject preservation/s3"} {
		if !seen[want] {
			t.Errorf("the test does not see %s", want)
		}
	}
}
