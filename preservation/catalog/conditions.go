package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
)

// conditions are the WHERE clause of a list and its arguments. Values are never
// part of the text.
type conditions struct {
	cond string
	args []any
}

// mark adds an argument and returns its placeholder.
func (q *conditions) mark(v any) string {
	q.args = append(q.args, v)
	return fmt.Sprintf("$%d", len(q.args))
}

// and adds a condition; each %s in it becomes the placeholder of one value.
func (q *conditions) and(format string, values ...any) {
	marks := make([]any, len(values))
	for i, v := range values {
		marks[i] = q.mark(v)
	}
	q.cond += " AND " + fmt.Sprintf(format, marks...)
}

// in adds the condition that a column has one of some values.
func in[T ~string](q *conditions, column string, values []T) {
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = q.mark(string(v))
	}
	q.cond += " AND " + column + " IN (" + strings.Join(marks, ", ") + ")"
}

// each is a query whose rows are some values: one argument, however many they are.
func each[T ~string](q *conditions, d dialect, values []T) string {
	if values == nil {
		values = []T{}
	}
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings
	}
	if d == postgres {
		return "SELECT jsonb_array_elements_text(CAST(" + q.mark(string(text)) + " AS JSONB))"
	}
	return "SELECT value FROM json_each(" + q.mark(string(text)) + ")"
}
