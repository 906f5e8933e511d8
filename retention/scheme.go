package retention

// Class is one position of the classification (Aktenplaneinheit).
type Class struct {
	Code   string `json:"code" validate:"required,max=64,code"`
	Title  string `json:"title" validate:"required,max=500"`
	Parent string `json:"parent,omitempty" validate:"omitempty,max=64,code"` // none for a main group
	// Rule is the ID of the rule for records of this class. A class without
	// one takes that of its nearest ancestor.
	Rule  string `json:"rule,omitempty" validate:"omitempty,max=64,name"`
	Scope string `json:"scope,omitempty" validate:"max=2000"` // what belongs here, for people
}

// Scheme is one version of the classification. Versions are never edited: a
// change is the next version.
type Scheme struct {
	Version int     `json:"version" validate:"min=0"` // counted from 1; 0 while it is being written
	Title   string  `json:"title" validate:"required,max=500"`
	Classes []Class `json:"classes" validate:"required,min=1,max=100000,dive"`
}
