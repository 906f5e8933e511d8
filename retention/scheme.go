package retention

import (
	"maps"
	"slices"
)

// Class is one position of the classification (Aktenplaneinheit).
type Class struct {
	Code   string `json:"code" validate:"required,max=64,code"`
	Title  string `json:"title" validate:"required,max=500"`
	Parent string `json:"parent,omitempty" validate:"omitempty,max=64,code"` // none for a main group
	// Rule is the ID of the rule for records of this class. A class without
	// one takes that of its nearest ancestor.
	Rule  string `json:"rule,omitempty" validate:"omitempty,max=64,name"`
	Scope string `json:"scope,omitempty" validate:"max=2000"` // what belongs here, for people
	// Closed: nothing new comes into the class (stillgelegt). What is in it goes on as before.
	Closed bool `json:"closed,omitempty"`
}

// Scheme is one version of the classification. Versions are never edited: a
// change is the next version.
type Scheme struct {
	Version int     `json:"version" validate:"min=0"` // counted from 1; 0 while it is being written
	Title   string  `json:"title" validate:"required,max=500"`
	Classes []Class `json:"classes" validate:"required,min=1,max=100000,dive"`
	// Successors names for classes that are no more the one under which their
	// records are evaluated. A new version takes over those of the version
	// before, which its own ones replace.
	Successors map[string]string `json:"successors,omitempty" validate:"max=100000,dive,keys,required,max=64,code,endkeys,max=64,code"`
	// Template is the version of a template that was adopted last. Only adopting
	// changes it.
	Template *TemplateRef `json:"template,omitempty" validate:"-"`
}

// same reports whether two versions say the same, in the same order, and follow the
// same version of a template.
func (s Scheme) same(other Scheme) bool {
	follows := func(r *TemplateRef) TemplateRef {
		if r == nil {
			return TemplateRef{}
		}
		return *r
	}
	return s.Title == other.Title && slices.Equal(s.Classes, other.Classes) && maps.Equal(s.Successors, other.Successors) &&
		follows(s.Template) == follows(other.Template)
}
