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

// like adds a condition, with \ before what the pattern means as it stands.
func (w *where) like(column, pattern string) {
	w.and(column+` LIKE CAST(? AS TEXT) ESCAPE '\'`, pattern)
}

// limit is what follows LIMIT, for n rows.
func (w *where) limit(n int64) string {
	return "CAST(" + w.arg(n) + " AS BIGINT)"
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

// grouped is how many values one SELECT of many looks for: one statement each
// would cost more than the look. A fixed number, so that there is one text.
const grouped = 32

// placeholders are those of one group.
var placeholders = func() string {
	marks := make([]string, grouped)
	for i := range marks {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	return "(" + strings.Join(marks, ", ") + ")"
}()

// groups is how many groups n values make.
func groups(n int) int { return (n + grouped - 1) / grouped }

// group appends the values of the i-th group. The last value fills up the last
// group: it is found once all the same.
func group[T any](args []any, i int, values []T, arg func(T) any) []any {
	for j := i * grouped; j < (i+1)*grouped; j++ {
		args = append(args, arg(values[min(j, len(values)-1)]))
	}
	return args
}
