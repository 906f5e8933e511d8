package ui

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCodes wants words for every code of a finding that pages show, and for every act
// of the audit log and of a disposal run. It reads the source: a code is what stands in a field Code or is
// given to a parameter of that name, as it is or as a constant; likewise an action.
func TestCodes(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	s := source{words: map[string]string{}, takers: map[string]int{}}
	for _, root := range []string{"preservation", "retention", "ingest", "api", "cmd"} {
		err := filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || d.IsDir() && slices.Contains(apart, d.Name()):
				return cmp.Or(err, fs.SkipDir)
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".gen.go"):
				return s.read(path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	german := languages[0]
	known := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { _, ok := german.words[key]; return ok })
	}
	found := 0
	for _, c := range s.codes() {
		found++
		switch {
		case c.param == "act" && strings.HasPrefix(c.at.Filename, "../../retention/") && c.code != "listed" && !known("runact."+c.code): // listed is told by the items
			t.Errorf("%s: there is no text runact.%s", c.at, c.code)
		case c.param == "action" && !known("action."+c.code):
			t.Errorf("%s: there is no text action.%s", c.at, c.code)
		case c.param == "code" && (strings.HasPrefix(c.at.Filename, "../../preservation/") || strings.HasPrefix(c.at.Filename, "../../ingest/")) && !known("finding."+c.code, "fault."+c.code):
			t.Errorf("%s: there is no text finding.%s", c.at, c.code)
		case c.param == "code" && (strings.HasPrefix(c.at.Filename, "../../retention/fileplan/") || c.at.Filename == "../../retention/check.go") && !known("filefault."+c.code, "finding."+c.code, "fault."+c.code):
			t.Errorf("%s: there is no text filefault.%s", c.at, c.code)
		}
	}
	if found < 200 {
		t.Errorf("%d codes found in the source: this test reads it no longer", found)
	}
}

// apart are the packages whose codes no page shows: those of the command line and of tests.
var apart = []string{"testdata", "ui", "hostile", "sandbox", "verapdf", "ledger", "objectstore", "s3", "storetest"}

// source is the program as it is written.
type source struct {
	fset   token.FileSet
	files  []*ast.File
	words  map[string]string // constants, as package.name
	takers map[string]int    // functions, as package.name.parameter, and which of theirs is a code or an action
}

type codeFound struct {
	param, code string
	at          token.Position
}

func (s *source) read(name string) error {
	f, err := parser.ParseFile(&s.fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	pkg := f.Name.Name + "."
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			s.takes(pkg+n.Name.Name, n.Type)
		case *ast.AssignStmt:
			for i, v := range n.Rhs {
				if f, ok := v.(*ast.FuncLit); ok && i < len(n.Lhs) {
					if id, ok := n.Lhs[i].(*ast.Ident); ok {
						s.takes(pkg+id.Name, f.Type)
					}
				}
			}
		case *ast.ValueSpec:
			for i, v := range n.Values {
				if w, ok := literal(v); ok {
					s.words[pkg+n.Names[i].Name] = w
				}
			}
		}
		return true
	})
	return nil
}

// takes notes which parameter of a function is a code or an action.
func (s *source) takes(name string, f *ast.FuncType) {
	at := 0
	for _, field := range f.Params.List {
		for _, p := range field.Names {
			if p.Name == "code" || p.Name == "action" {
				s.takers[name+"."+p.Name] = at
				if _, method, _ := strings.Cut(name, "."); ast.IsExported(method) {
					s.takers["."+method+"."+p.Name] = at // called in other packages
				}
			}
			at++
		}
	}
}

func literal(v ast.Expr) (string, bool) {
	lit, ok := v.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	w, err := strconv.Unquote(lit.Value)
	return w, err == nil
}

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9]*([-.][a-z0-9]+)*$`)

func (s *source) codes() (found []codeFound) {
	for _, f := range s.files {
		pkg := f.Name.Name + "."
		add := func(param string, v ast.Expr) {
			w, ok := literal(v)
			switch v := v.(type) {
			case *ast.Ident:
				w, ok = s.words[pkg+v.Name]
			case *ast.SelectorExpr:
				if id, isPackage := v.X.(*ast.Ident); isPackage {
					w, ok = s.words[id.Name+"."+v.Sel.Name]
				}
			}
			if ok && codeForm.MatchString(w) {
				found = append(found, codeFound{param, w, s.fset.Position(v.Pos())})
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && (id.Name == "Code" || id.Name == "Action" || id.Name == "Act") {
					add(strings.ToLower(id.Name), n.Value)
				}
			case *ast.CallExpr:
				var names []string
				switch f := n.Fun.(type) {
				case *ast.Ident:
					names = []string{pkg + f.Name}
				case *ast.SelectorExpr:
					names = []string{pkg + f.Sel.Name, "." + f.Sel.Name}
				}
				for _, param := range []string{"code", "action"} {
					for _, name := range names {
						if at, ok := s.takers[name+"."+param]; ok && at < len(n.Args) {
							add(param, n.Args[at])
							break
						}
					}
				}
			}
			return true
		})
	}
	return found
}
