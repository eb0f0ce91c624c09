package store

import (
	"slices"
	"strconv"
	"strings"
)

// A where is the conditions of a SELECT with their arguments.
type where struct {
	conditions []string
	args       []any
}

func (w *where) clone() where {
	return where{slices.Clone(w.conditions), slices.Clone(w.args)}
}

// arg adds an argument and is its placeholder.
func (w *where) arg(value any) string {
	w.args = append(w.args, value)
	return "$" + strconv.Itoa(len(w.args))
}

// and adds a condition; each ? in it is the next of the values.
func (w *where) and(condition string, values ...any) {
	for _, value := range values {
		condition = strings.Replace(condition, "?", w.arg(value), 1)
	}
	w.conditions = append(w.conditions, condition)
}

// equal adds a condition unless the value is empty.
func (w *where) equal(column, value string) {
	if value != "" {
		w.and(column+" = ?", text(value))
	}
}

// in adds a condition unless there are no values.
func (w *where) in(column string, values []string) {
	if len(values) == 0 {
		return
	}
	marks := make([]string, len(values))
	for i, value := range values {
		marks[i] = w.arg(text(value))
	}
	w.and(column + " IN (" + strings.Join(marks, ", ") + ")")
}

// text is the WHERE clause, or empty.
func (w *where) text() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return "\nWHERE " + strings.Join(w.conditions, "\n\tAND ")
}

// limit is how many rows a list gives.
func limit(asked int) int64 {
	if asked <= 0 {
		return 100
	}
	return int64(asked)
}

func texts[S ~string](values []S) []string {
	list := make([]string, len(values))
	for i, value := range values {
		list[i] = string(value)
	}
	return list
}
