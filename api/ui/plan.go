package ui

import (
	"slices"

	"bestand/api"
	"bestand/retention"
)

// planView is a node of the file plan, or all of it.
type planView struct {
	Title  string
	Class  retention.Class // zero for the root
	Path   []retention.Class
	Tree   []*node
	Rule   *retention.Rule
	From   string // code of the class that the rule is inherited from
	Found  api.RecordPage
	Search bool
}

// node is a class with what is below it.
type node struct {
	retention.Class
	Children []*node
	Here     bool // it is the one shown
	Open     bool // what is below it is shown
}

// planWhole is up to how many classes a plan is shown whole; of a larger one only the
// way to the class that is looked at.
const planWhole = 60

func planPage(v *visit) error {
	var scheme retention.Scheme
	if err := v.get("/v1/classification", &scheme); err != nil {
		return err
	}
	code := v.r.PathValue("code")
	p := planView{Title: scheme.Title, Search: v.may("GET /v1/records")}
	nodes := map[string]*node{}
	for _, c := range scheme.Classes {
		nodes[c.Code] = &node{Class: c, Here: c.Code == code, Open: len(scheme.Classes) <= planWhole}
	}
	if code != "" {
		at, ok := nodes[code]
		if !ok {
			return errNotFound
		}
		p.Class = at.Class
		for n := at; n != nil; n = nodes[n.Parent] {
			n.Open = true
			p.Path = append(p.Path, n.Class)
		}
		slices.Reverse(p.Path)
	}
	order := v.lang.collator()
	for _, c := range scheme.Classes {
		if parent, ok := nodes[c.Parent]; ok {
			parent.Children = append(parent.Children, nodes[c.Code])
		} else {
			p.Tree = append(p.Tree, nodes[c.Code])
		}
	}
	sorted := func(all []*node) {
		slices.SortFunc(all, func(a, b *node) int { return order.CompareString(a.Code, b.Code) })
	}
	sorted(p.Tree)
	for _, n := range nodes {
		sorted(n.Children)
	}
	title, crumbs := v.lang.t("plan.title"), []crumb(nil)
	if code != "" {
		title = p.Class.Code + " " + p.Class.Title
		crumbs = append(crumbs, crumb{v.lang.t("plan.title"), "/aktenplan"})
		for _, c := range p.Path[:len(p.Path)-1] {
			crumbs = append(crumbs, crumb{c.Code + " " + c.Title, joinPath("/aktenplan/", c.Code)})
		}
		if err := v.fillClass(&p); err != nil {
			return err
		}
	}
	return v.show("plan", title, p, crumbs...)
}

// fillClass adds the rule of a class, its own or the nearest above it, and its records.
func (v *visit) fillClass(p *planView) error {
	if v.may("GET /v1/rules") {
		rules, err := v.rules()
		if err != nil {
			return err
		}
		for i := len(p.Path) - 1; i >= 0; i-- {
			if r, ok := rules[p.Path[i].Rule]; ok && p.Path[i].Rule != "" {
				p.Rule, p.From = &r, p.Path[i].Code
				break
			}
		}
	}
	if !p.Search {
		return nil
	}
	return v.get("/v1/records?"+with(nil, "class", p.Class.Code).Encode()+"&limit=10&sort=-closed", &p.Found)
}

// rules are the newest versions of all rules.
func (v *visit) rules() (map[string]retention.Rule, error) {
	var all struct{ Items []retention.Rule }
	if err := v.get("/v1/rules", &all); err != nil {
		return nil, err
	}
	newest := map[string]retention.Rule{}
	for _, r := range all.Items {
		if r.Version >= newest[r.ID].Version {
			newest[r.ID] = r
		}
	}
	return newest, nil
}
