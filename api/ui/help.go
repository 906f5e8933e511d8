package ui

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
)

//go:embed help
var helpFiles embed.FS

// helpView is a text for people, and the list of the others.
type helpView struct {
	Text  template.HTML
	Pages []helpEntry
}

type helpEntry struct {
	Title, Path string
	Here        bool
}

// helpNames are the pages of the help in their order; the file is NAME.LANGUAGE.md,
// and its first line the title.
var helpNames = []string{"erste-schritte", "suchen", "akte", "uebernahme", "aussonderung", "bestandserhaltung", "betrieb", "verwaltung"}

func helpPage(v *visit) error {
	name := v.r.PathValue("name")
	if name == "" {
		name = helpNames[0]
	}
	if !slices.Contains(helpNames, name) {
		return errNotFound
	}
	var p helpView
	for _, n := range helpNames {
		title, _, err := v.markdown(n)
		if err != nil {
			return err
		}
		p.Pages = append(p.Pages, helpEntry{title, "/hilfe/" + n, n == name})
	}
	title, text, err := v.markdown(name)
	p.Text = text
	if err != nil {
		return err
	}
	return v.show("help", title, p)
}

// statementPage is the accessibility statement (BITV 2.0 §7), with what whoever runs the
// archive has to say in it.
func statementPage(v *visit) error {
	title, text, err := v.markdown("barrierefreiheit")
	if err != nil {
		return err
	}
	var own bytes.Buffer
	if own.WriteString(string(text)); v.ui.Accessibility == nil {
		own.WriteString("<p>" + template.HTMLEscapeString(v.lang.t("statement.missing")) + "</p>")
	} else if err := markdown.Convert(v.ui.Accessibility, &own); err != nil {
		return err
	}
	return v.show("text", title, template.HTML(own.String()))
}

// interfacePage describes the interface for programs.
func interfacePage(v *visit) error {
	title, text, err := v.markdown("schnittstelle")
	if err != nil {
		return err
	}
	return v.show("text", title, text)
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// markdown reads a text of ours in the visitor's language. Raw HTML in it is left out.
func (v *visit) markdown(name string) (title string, text template.HTML, err error) {
	b, err := fs.ReadFile(helpFiles, "help/"+name+"."+v.lang.code+".md")
	if err != nil {
		return "", "", err
	}
	head, body, _ := strings.Cut(string(b), "\n")
	var out bytes.Buffer
	err = markdown.Convert([]byte(body), &out)
	return strings.TrimPrefix(head, "# "), template.HTML(out.String()), err
}
