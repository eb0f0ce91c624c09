package web

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// A coverageQuery is what part of the grid the address asks for.
type coverageQuery struct {
	Account string
	Region  string
	State   coverage.State
	Kind    coverage.Kind
}

const coveragePath = "/coverage"

func readCoverage(v url.Values) (q coverageQuery, err error) {
	q = coverageQuery{
		Account: line(v.Get("account"), 120), Region: line(v.Get("region"), 60),
		State: coverage.State(line(v.Get("state"), 40)), Kind: coverage.Kind(line(v.Get("kind"), 60)),
	}
	if _, ok := q.Kind.Info(); !ok && q.Kind != "" {
		return q, fmt.Errorf("kind %q is none of a gap", q.Kind)
	}
	if q.State != "" && !slices.Contains(coverage.States(), q.State) {
		return q, fmt.Errorf("state %q is none of a place", q.State)
	}
	return q, nil
}

// href is the page of the query, at that path.
func (q coverageQuery) href(path string) string {
	return address(path, param{"account", q.Account, ""}, param{"region", q.Region, ""}, param{"state", string(q.State), ""}, param{"kind", string(q.Kind), ""})
}

func (q coverageQuery) narrowed() bool { return q != coverageQuery{} }

type coverageView struct {
	Query    coverageQuery
	Narrowed bool
	// Covered and Open make the sentence about places; Open is empty where all are.
	Places, Covered, Open string
	Checked               *checkedView
	Shares                []shareRow
	States                []stateCount
	Notes                 []coverage.Note
	Accounts              []option
	Regions               []option
	Kinds                 []option
	Gaps, Folded          []gapRow // Folded are seen when somebody asks for them
	MoreGaps              int      // that are not listed
	Heat                  heatView
	CSV                   string
	Add                   string // where a source is added; empty where that cannot be done
	Empty, NoMatch        bool
}

// A checkedView is the sentence about what was compared.
type checkedView struct {
	Until, From when
	Clock       string // "14:05 UTC"
	coverage.Reconciliation
}

// A shareRow is a part of the bar, in thousandths of its length.
type shareRow struct {
	State    coverage.State
	From, Of string
}

// A stateCount is a line of the legend.
type stateCount struct {
	State               coverage.State
	Symbol, Word, Means string
	N                   int
	Href                string
	Here                bool
}

// A gapRow is one gap, or several of one kind.
type gapRow struct {
	coverage.Gap
	Title, Tone string
	Where, Href string
	Since       when
}

// A heatView is the grid.
type heatView struct {
	Regions []heatColumn
	Rows    []heatRow
	Covered string // of all that is shown
	// Pillars is in how many columns of rows it is printed, so that it fits on a page.
	Pillars int
}

type heatColumn struct {
	Name, Href, Title string
	Covered           int
	Of                int
}

// Whole reports whether all its places are covered.
func (c heatColumn) Whole() bool { return c.Covered == c.Of }

type heatRow struct {
	ID, Name, Href, Title string
	State                 coverage.State
	Symbol                string
	Cells                 []heatCell
	Covered, Of           int
}

// Whole reports whether all its places are covered.
func (r heatRow) Whole() bool {
	return r.Covered == r.Of && r.State != coverage.Unknown && r.State != coverage.Dark
}

type heatCell struct {
	State         coverage.State
	Symbol, Title string
	Href          string
}

// symbols say how a place stands to whoever sees no colours, and on paper.
var symbols = map[coverage.State]string{
	coverage.Covered: "✓", coverage.Warned: "!", coverage.Dark: "✕", coverage.Unknown: "?", coverage.NotExpected: "·",
}

var stateWords = map[coverage.State]struct{ word, means, tone string }{
	coverage.Covered:     {"Covered", "proven, and nothing is wrong", "good"},
	coverage.Warned:      {"Warning", "something is worth a look", "odd"},
	coverage.Dark:        {"Gap", "something is wrong: findings may be lost", "bad"},
	coverage.Unknown:     {"Unknown", "nothing proves it, and nothing is known to be wrong", "quiet"},
	coverage.NotExpected: {"Not expected", "the account does not use the region, or is suspended", "calm"},
}

// A coverageInput is all that the page is made of.
type coverageInput struct {
	Query coverageQuery
	Grid  coverage.Grid // the whole
	Now   time.Time
	Add   string
}

const (
	// gapsShown is how many lines of gaps there are at most, and gapsOpen how many of
	// them are seen at once.
	gapsShown = 200
	gapsOpen  = 12
	// gapsAlike is how many gaps of one kind are told apart where nobody asked for the
	// kind.
	gapsAlike = 4
)

func (p *Pages) showCoverage(w http.ResponseWriter, r *http.Request) error {
	in, err := p.coverageOf(r)
	if err != nil {
		return err
	}
	return show(p, w, r, http.StatusOK, p.coveragePage, head{Title: "Coverage", Here: "coverage", Refresh: 60}, in.view())
}

// coverageOf is what is asked for, and how everything stands.
func (p *Pages) coverageOf(r *http.Request) (in coverageInput, err error) {
	if in.Query, err = readCoverage(r.URL.Query()); err != nil {
		return in, badQuery(coveragePath, err)
	}
	in.Now, in.Add = p.opts.Now(), p.addHref(setup.Source)
	in.Grid, err = p.grid(r)
	return in, err
}

func (p *Pages) grid(r *http.Request) (coverage.Grid, error) {
	if p.opts.Coverage == nil {
		return coverage.Grid{}, noSuchPage(r)
	}
	g, err := p.opts.Coverage(r.Context())
	if err != nil {
		return g, fmt.Errorf("coverage: %w", err)
	}
	return g, nil
}

// part is what the query leaves of the grid.
func (in coverageInput) part() coverage.Grid {
	q := in.Query
	return in.Grid.Only(coverage.Query{Account: q.Account, Region: q.Region, State: q.State, Kind: q.Kind})
}

func (in coverageInput) view() coverageView {
	t, part := in.Grid.Totals, in.part()
	v := coverageView{
		Query: in.Query, Narrowed: in.Query.narrowed(), Places: number(t.Places), Covered: number(t.Covered), Notes: in.Grid.Notes, Add: in.Add,
		CSV: in.Query.href("/coverage.csv"), Empty: len(in.Grid.Accounts) == 0, NoMatch: len(part.Accounts) == 0,
	}
	if open := t.Places - t.Covered; open > 0 {
		v.Open = number(open)
	}
	if r := in.Grid.Reconciliation; r != nil {
		v.Checked = &checkedView{Until: when{r.Until, in.Now}, From: when{r.From, in.Now}, Clock: r.Until.UTC().Format("15:04") + " UTC", Reconciliation: *r}
		if in.Now.Sub(r.Until) > 12*time.Hour {
			v.Checked.Clock = r.Until.UTC().Format("2006-01-02 15:04") + " UTC"
		}
	}
	v.Shares, v.States = shares(t), in.states()
	v.Gaps, v.MoreGaps = in.gaps(part)
	if len(v.Gaps) > gapsOpen {
		v.Gaps, v.Folded = v.Gaps[:gapsOpen], v.Gaps[gapsOpen:]
	}
	v.Heat = in.heat(part)
	in.options(&v)
	return v
}

// counts are the places of each state that are expected.
func counts(t coverage.Totals) map[coverage.State]int {
	return map[coverage.State]int{
		coverage.Covered: t.Covered - t.Warnings, coverage.Warned: t.Warnings, coverage.Dark: t.Gaps, coverage.Unknown: t.Unknown, coverage.NotExpected: t.NotExpected,
	}
}

// barOrder is the order of the states in the bar and in the legend.
var barOrder = []coverage.State{coverage.Covered, coverage.Warned, coverage.Unknown, coverage.Dark, coverage.NotExpected}

// shares are the parts of the bar. A part that there is can be seen, however small.
func shares(t coverage.Totals) []shareRow {
	const whole, least = 1000.0, 6.0
	of := counts(t)
	var rows []shareRow
	from := 0.0
	for _, s := range barOrder {
		if n := of[s]; n > 0 && s != coverage.NotExpected {
			width := max(least, whole*float64(n)/float64(t.Places))
			rows = append(rows, shareRow{s, strconv.FormatFloat(from, 'f', 1, 64), strconv.FormatFloat(width, 'f', 1, 64)})
			from += width
		}
	}
	return rows
}

func (in coverageInput) states() []stateCount {
	of := counts(in.Grid.Totals)
	var all []stateCount
	for _, s := range barOrder {
		q := in.Query
		here := q.State == s
		if q.State = s; here {
			q.State = "" // once more shows all again
		}
		words := stateWords[s]
		all = append(all, stateCount{State: s, Symbol: symbols[s], Word: words.word, Means: words.means, N: of[s], Href: q.href(coveragePath), Here: here})
	}
	return all
}

// options are those of the form.
func (in coverageInput) options(v *coverageView) {
	for _, a := range in.Grid.Accounts {
		v.Accounts = append(v.Accounts, option{Value: a.ID, Label: cmp.Or(a.Name, a.ID)})
	}
	v.Regions = []option{{Label: "Any region", Chosen: in.Query.Region == ""}}
	for _, r := range in.Grid.Regions {
		v.Regions = append(v.Regions, option{r, r, r == in.Query.Region})
	}
	v.Kinds = []option{{Label: "Any gap or none", Chosen: in.Query.Kind == ""}}
	for _, k := range coverage.Kinds() {
		if n := in.Grid.Totals.Kinds[k.Kind]; n > 0 || k.Kind == in.Query.Kind {
			v.Kinds = append(v.Kinds, option{string(k.Kind), fmt.Sprintf("%s (%s)", k.Title, number(n)), k.Kind == in.Query.Kind})
		}
	}
}

// gaps are the lines of the list. What several places of an account have is one line,
// and what many places have is too, unless somebody asked for the kind.
func (in coverageInput) gaps(part coverage.Grid) (rows []gapRow, more int) {
	type one struct {
		kind    coverage.Kind
		account string // of all where it is ""
	}
	alike, of := map[coverage.Kind]int{}, map[one][]coverage.Gap{}
	for _, g := range part.Gaps {
		alike[g.Kind]++
	}
	at := func(g coverage.Gap) one {
		if in.Query.Kind == "" && alike[g.Kind] > gapsAlike {
			return one{kind: g.Kind}
		}
		return one{g.Kind, g.Account}
	}
	for _, g := range part.Gaps {
		of[at(g)] = append(of[at(g)], g)
	}
	for _, g := range part.Gaps { // the oldest of each line stands for it
		line := of[at(g)]
		if len(line) == 0 {
			continue
		}
		delete(of, at(g))
		if len(rows) == gapsShown {
			more++
			continue
		}
		rows = append(rows, in.gapRow(line))
	}
	return rows, more
}

// gapRow is the line of gaps of one kind, the oldest first.
func (in coverageInput) gapRow(all []coverage.Gap) gapRow {
	g := all[0]
	info, _ := g.Kind.Info()
	row := gapRow{Gap: g, Title: info.Title, Tone: "bad", Where: g.Label(), Href: placeHref(g.Account, g.Region), Since: when{g.Since, in.Now}}
	if g.Severity == coverage.IsWarning {
		row.Tone = "odd"
	}
	if g.Region == "" {
		row.Href = coverageQuery{Account: g.Account}.href(coveragePath)
	}
	if len(all) > 1 {
		q := in.Query
		q.Kind = g.Kind
		row.Where, row.Says = spread(all), info.Means
		if slices.ContainsFunc(all, func(other coverage.Gap) bool { return other.Account != g.Account }) {
			row.Fix = ""
		} else {
			q.Account = g.Account
		}
		row.Href = q.href(coveragePath)
	}
	return row
}

// spread says where gaps are: "200 accounts in eu-west-3".
func spread(all []coverage.Gap) string {
	accounts, regions := map[string]bool{}, map[string]bool{}
	for _, g := range all {
		accounts[g.Account], regions[g.Region] = true, true
	}
	what, where := cmp.Or(all[0].Name, all[0].Account), all[0].Region
	if len(accounts) > 1 {
		what = some(len(accounts), "account")
	}
	if len(regions) > 1 {
		where = some(len(regions), "region")
	}
	if where == "" {
		return what
	}
	return what + " in " + where
}

func some(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return number(n) + " " + word + "s"
}

// placeHref is the page of a place.
func placeHref(account, region string) string {
	return coveragePath + "/" + url.PathEscape(account) + "/" + url.PathEscape(region)
}

// perPillar is how many rows are printed one below the other: with the sentences above
// them they fill a page of A4 across.
const perPillar = 68

// heat is the grid, as compact as can be.
func (in coverageInput) heat(part coverage.Grid) heatView {
	v := heatView{Pillars: 1 + min(3, len(part.Accounts)/perPillar)}
	for _, r := range part.Regions {
		q := in.Query
		if q.Region = r; in.Query.Region == r {
			q.Region = ""
		}
		v.Regions = append(v.Regions, heatColumn{Name: r, Href: q.href(coveragePath)})
	}
	covered, of := 0, 0
	for _, a := range part.Accounts {
		q := in.Query
		q.Account = a.ID
		row := heatRow{ID: a.ID, Name: cmp.Or(a.Name, a.ID), Href: q.href(coveragePath), Title: a.Label(), State: a.State, Cells: make([]heatCell, len(a.Cells))}
		if a.Expected == 0 {
			row.Symbol = symbols[a.State]
		}
		if a.Why != "" {
			row.Title += ": " + a.Why
		}
		for i := range a.Cells {
			c := &a.Cells[i]
			row.Cells[i] = heatCell{State: c.State, Symbol: symbols[c.State], Title: in.cellTitle(&a, c), Href: coveragePath + "/" + a.ID + "/" + c.Region}
			if !c.Expected {
				continue
			}
			column := &v.Regions[i]
			row.Of++
			column.Of++
			if c.State == coverage.Covered || c.State == coverage.Warned {
				row.Covered++
				column.Covered++
			}
		}
		covered, of = covered+row.Covered, of+row.Of
		v.Rows = append(v.Rows, row)
	}
	for i := range v.Regions {
		c := &v.Regions[i]
		c.Title = fmt.Sprintf("%s: %d of %d covered", c.Name, c.Covered, c.Of)
	}
	v.Covered = fmt.Sprintf("%s/%s", number(covered), number(of))
	return v
}

// cellTitle says in a few words how a place stands and why.
func (in coverageInput) cellTitle(a *coverage.Account, c *coverage.Cell) string {
	text := c.Region + " of " + cmp.Or(a.Name, a.ID) + ": "
	switch {
	case len(c.Kinds) > 0:
		titles := make([]string, len(c.Kinds))
		for i, k := range c.Kinds {
			info, _ := k.Info()
			titles[i] = strings.ToLower(info.Title)
		}
		return text + strings.Join(titles, ", ")
	case c.State == coverage.Covered:
		return text + "covered, " + string(c.Proof.By) + " " + when{c.Proof.At, in.Now}.Words()
	}
	return text + strings.ToLower(stateWords[c.State].word)
}

type placeView struct {
	Account    coverage.Account
	Region     string
	Label      string
	State      coverage.State
	Word, Tone string
	Symbol     string
	Why        string // empty where the gaps say it
	Proof      when   // of one that is covered
	Gaps       []gapRow
	Facts      []placeFacts
	Inbound    string
	Row        string // the account's part of the grid
}

// placeFacts are what is known of one side of a place.
type placeFacts struct {
	Title string
	At    when // when it was seen, where it is seen at all
	None  string
	Error string
	Facts []placeFact
}

// A placeFact is a line: a text, or a time.
type placeFact struct {
	Name, Value string
	At          when
	Mono        bool
}

// A placeInput is all that the page of a place is made of.
type placeInput struct {
	Grid            coverage.Grid
	Account, Region string
	Now             time.Time
}

func (p *Pages) showPlace(w http.ResponseWriter, r *http.Request) error {
	grid, err := p.grid(r)
	if err != nil {
		return err
	}
	in := placeInput{Grid: grid, Account: r.PathValue("account"), Region: r.PathValue("region"), Now: p.opts.Now()}
	v, ok := in.view()
	if !ok {
		return noSuchPage(r)
	}
	return show(p, w, r, http.StatusOK, p.placePage, head{Title: "Coverage: " + v.Label, Here: "coverage", Refresh: 60}, v)
}

func (in placeInput) view() (v placeView, ok bool) {
	a, c, ok := in.Grid.Place(in.Account, in.Region)
	if !ok || in.Region == "" {
		return v, false
	}
	words := stateWords[c.State]
	v = placeView{
		Account: a, Region: in.Region, Label: in.Region + " of " + a.Label(), State: c.State, Word: words.word, Tone: words.tone, Symbol: symbols[c.State], Why: c.Why,
		Inbound: address("/inbound", param{"account", a.ID, ""}), Row: coverageQuery{Account: a.ID}.href(coveragePath),
	}
	for _, g := range append(in.Grid.Of(a.ID, in.Region), in.Grid.Of(a.ID, "")...) {
		info, _ := g.Kind.Info()
		row := gapRow{Gap: g, Title: info.Title, Tone: "bad", Where: g.Label(), Since: when{g.Since, in.Now}}
		if g.Severity == coverage.IsWarning {
			row.Tone = "odd"
		}
		v.Gaps = append(v.Gaps, row)
	}
	switch {
	case c.State == coverage.Dark:
		v.Why = ""
	case c.Proof != nil:
		v.Proof, v.Why = in.at(c.Proof.At), strings.TrimSuffix(c.Why, ".")
	}
	v.Facts = []placeFacts{in.events(c), in.canary(c), in.compared(c), in.detector(c), in.rule(c)}
	return v, true
}

func (in placeInput) at(t time.Time) when { return when{t, in.Now} }

func (in placeInput) events(c coverage.Cell) placeFacts {
	f := placeFacts{Title: "Events", None: "No event ever came from there."}
	if !c.LastEvent.IsZero() {
		f.Facts = []placeFact{{Name: "Last event", At: in.at(c.LastEvent)}, {Name: "Events in all", Value: number(c.Events)}}
	}
	return f
}

func (in placeInput) canary(c coverage.Cell) placeFacts {
	f := placeFacts{Title: "Canary", None: "No canary is sent from there."}
	if k := c.Canary; k != nil {
		f.Error = k.Error
		f.Facts = []placeFact{{Name: "Newest sent", At: in.at(k.SentAt)}, {Name: "By source", Value: k.Source}}
		if k.ArrivedAt.IsZero() || k.ArrivedAt.Before(k.SentAt) {
			f.Facts = append(f.Facts, placeFact{Name: "Due", At: in.at(k.Due)})
		}
		if !k.ArrivedAt.IsZero() {
			f.Facts = append(f.Facts, placeFact{Name: "Last arrived", At: in.at(k.ArrivedAt)}, placeFact{Name: "Took", Value: lasting((time.Duration(k.Took) * time.Millisecond).Seconds())}, placeFact{Name: "Came by", Value: k.Path})
		}
	}
	if p := c.Proof; p != nil && p.Account != "" && p.By == coverage.ByCanary {
		f.Facts = append(f.Facts, placeFact{Name: "Administrator's", At: in.at(p.At)})
	}
	return f
}

func (in placeInput) compared(c coverage.Cell) placeFacts {
	f := placeFacts{Title: "Reconciliation", None: "Nothing compares what came from there with what GuardDuty has."}
	if r := c.Reconciliation; r != nil {
		f.Error, f.At = r.Error, in.at(r.At)
		if !r.Until.IsZero() {
			f.Facts = []placeFact{
				{Name: "Checked until", At: in.at(r.Until)},
				{Name: "From", At: in.at(r.From)},
				{Name: "GuardDuty has", Value: number(r.API)},
				{Name: "Received", Value: number(r.Received)},
				{Name: "Not due", Value: number(r.Pending)},
				{Name: "Suppressed there", Value: number(r.Suppressed)},
				{Name: "Recovered", Value: number(r.Recovered)},
				{Name: "Unexplained", Value: number(r.Unexplained)},
				{Name: "By source", Value: r.Source},
			}
		}
	}
	if p := c.Proof; p != nil && p.Account != "" && p.By == coverage.ByReconciliation {
		f.Facts = append(f.Facts, placeFact{Name: "Administrator's", At: in.at(p.At)})
	}
	return f
}

// frequencies are GuardDuty's words in ours.
var frequencies = map[string]string{"FIFTEEN_MINUTES": "every 15 minutes", "ONE_HOUR": "every hour", "SIX_HOURS": "every 6 hours"}

func (in placeInput) detector(c coverage.Cell) placeFacts {
	f := placeFacts{Title: "Detector", None: "Nobody has looked at GuardDuty there."}
	d := c.Detector
	if d == nil {
		return f
	}
	f.At, f.Error, f.None = in.at(d.SeenAt), d.Error, "GuardDuty has no detector there."
	add := func(name, value string) {
		if value != "" {
			f.Facts = append(f.Facts, placeFact{Name: name, Value: value})
		}
	}
	if d.ID != "" {
		f.Facts = append(f.Facts, placeFact{Name: "Detector", Value: d.ID, Mono: true}, placeFact{Name: "Enabled", Value: yesNo(d.Enabled)})
	}
	frequency := cmp.Or(frequencies[d.Frequency], d.Frequency)
	if d.FrequencyBy != "" {
		frequency += ", imposed by " + in.name(d.FrequencyBy)
	}
	add("Updates", frequency)
	add("Protection plans", strings.Join(d.On, ", "))
	add("Off", strings.Join(d.Off, ", "))
	if d.Administrator != "" {
		add("Administrator", in.name(d.Administrator))
		add("Relationship", d.Relationship)
	}
	return f
}

func (in placeInput) rule(c coverage.Cell) placeFacts {
	f := placeFacts{Title: "Rule", None: "Nobody has looked at the rules of EventBridge there."}
	r := c.Rule
	if r == nil {
		return f
	}
	f.At, f.Error, f.None = in.at(r.SeenAt), r.Error, "No rule of EventBridge forwards its findings."
	if r.ARN == "" {
		return f
	}
	f.Facts = []placeFact{{Name: "Rule", Value: r.ARN, Mono: true}, {Name: "Enabled", Value: yesNo(r.Enabled)}}
	if r.Account != "" {
		f.Facts = append(f.Facts, placeFact{Name: "In the account of", Value: in.name(r.Account)})
	}
	for _, t := range r.Targets {
		f.Facts = append(f.Facts, placeFact{Name: "Target", Value: t, Mono: true})
	}
	if r.Misses != "" {
		f.Facts = append(f.Facts, placeFact{Name: "Lets go by", Value: r.Misses})
	}
	return f
}

// name is how people call an account.
func (in placeInput) name(id string) string {
	if a, _, ok := in.Grid.Place(id, ""); ok {
		return a.Label()
	}
	return id
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// showAccount leads to the part of the grid that is the account's.
func (p *Pages) showAccount(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, coverageQuery{Account: r.PathValue("account")}.href(coveragePath), http.StatusFound)
	return nil
}

// downloadCoverage is the grid for an auditor: a line for each place, with the time of
// each proof.
func (p *Pages) downloadCoverage(w http.ResponseWriter, r *http.Request) error {
	in, err := p.coverageOf(r)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := writeCoverage(&b, in.part()); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="coverage-`+in.Grid.At.UTC().Format("20060102-1504")+`.csv"`)
	h.Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w) // the browser may have gone
	return nil
}

// A coverageRecord is a line of the file.
type coverageRecord struct {
	at             time.Time
	account        *coverage.Account
	place          *coverage.Cell
	gaps           []coverage.Gap
	proof          coverage.Proof
	canary         coverage.Canary
	reconciliation coverage.Reconciling
	detector       coverage.Detector
	rule           coverage.Rule
}

// known is s where the other is known at all.
func known[T any](of *T, s string) string {
	if of == nil {
		return ""
	}
	return s
}

// compared is a count of what was compared, where anything was.
func (r coverageRecord) compared(n int64) string {
	if r.reconciliation.Until.IsZero() {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// coverageColumns are those of the file, each with what it holds.
var coverageColumns = []struct {
	name string
	of   func(r coverageRecord) string
}{
	{"judged_at", func(r coverageRecord) string { return stamp(r.at) }},
	{"account", func(r coverageRecord) string { return r.account.ID }},
	{"name", func(r coverageRecord) string { return r.account.Name }},
	{"environment", func(r coverageRecord) string { return r.account.Environment }},
	{"team", func(r coverageRecord) string { return r.account.Team }},
	{"ou", func(r coverageRecord) string { return r.account.OU }},
	{"status", func(r coverageRecord) string { return r.account.Status }},
	{"region", func(r coverageRecord) string { return r.place.Region }},
	{"state", func(r coverageRecord) string { return string(r.place.State) }},
	{"why", func(r coverageRecord) string { return r.place.Why }},
	{"gaps", func(r coverageRecord) string { return kindList(r.place.Kinds) }},
	{"gap_since", func(r coverageRecord) string { return stamp(oldest(r.gaps)) }},
	{"proof", func(r coverageRecord) string { return string(r.proof.By) }},
	{"proof_at", func(r coverageRecord) string { return stamp(r.proof.At) }},
	{"proof_of_administrator", func(r coverageRecord) string { return r.proof.Account }},
	{"last_event", func(r coverageRecord) string { return stamp(r.place.LastEvent) }},
	{"events", func(r coverageRecord) string { return strconv.FormatInt(r.place.Events, 10) }},
	{"canary_sent", func(r coverageRecord) string { return stamp(r.canary.SentAt) }},
	{"canary_arrived", func(r coverageRecord) string { return stamp(r.canary.ArrivedAt) }},
	{"canary_took_ms", func(r coverageRecord) string {
		if r.canary.ArrivedAt.IsZero() {
			return ""
		}
		return strconv.FormatInt(r.canary.Took, 10)
	}},
	{"canary_path", func(r coverageRecord) string { return r.canary.Path }},
	{"reconciled_at", func(r coverageRecord) string { return stamp(r.reconciliation.At) }},
	{"reconciled_until", func(r coverageRecord) string { return stamp(r.reconciliation.Until) }},
	{"api", func(r coverageRecord) string { return r.compared(r.reconciliation.API) }},
	{"received", func(r coverageRecord) string { return r.compared(r.reconciliation.Received) }},
	{"pending", func(r coverageRecord) string { return r.compared(r.reconciliation.Pending) }},
	{"suppressed", func(r coverageRecord) string { return r.compared(r.reconciliation.Suppressed) }},
	{"recovered", func(r coverageRecord) string { return r.compared(r.reconciliation.Recovered) }},
	{"unexplained", func(r coverageRecord) string { return r.compared(r.reconciliation.Unexplained) }},
	{"detector", func(r coverageRecord) string { return r.detector.ID }},
	{"detector_enabled", func(r coverageRecord) string { return known(r.place.Detector, yesNo(r.detector.Enabled)) }},
	{"detector_seen", func(r coverageRecord) string { return stamp(r.detector.SeenAt) }},
	{"frequency", func(r coverageRecord) string { return r.detector.Frequency }},
	{"administrator", func(r coverageRecord) string { return r.detector.Administrator }},
	{"relationship", func(r coverageRecord) string { return r.detector.Relationship }},
	{"features_on", func(r coverageRecord) string { return strings.Join(r.detector.On, " ") }},
	{"features_off", func(r coverageRecord) string { return strings.Join(r.detector.Off, " ") }},
	{"rule", func(r coverageRecord) string { return r.rule.ARN }},
	{"rule_enabled", func(r coverageRecord) string { return known(r.place.Rule, yesNo(r.rule.Enabled)) }},
	{"rule_seen", func(r coverageRecord) string { return stamp(r.rule.SeenAt) }},
}

// writeCoverage writes a line for each place, and one for each account that has none or
// with which as a whole something is wrong.
func writeCoverage(to io.Writer, g coverage.Grid) error {
	gaps := map[tocsin.Place][]coverage.Gap{}
	for _, gap := range g.Gaps {
		at := tocsin.Place{Account: gap.Account, Region: gap.Region}
		gaps[at] = append(gaps[at], gap)
	}
	w := csv.NewWriter(to)
	record := make([]string, len(coverageColumns))
	for i, c := range coverageColumns {
		record[i] = c.name
	}
	err := w.Write(record)
	for i := range g.Accounts {
		a := &g.Accounts[i]
		cells := a.Cells
		if a.Expected == 0 && a.State != coverage.NotExpected || len(a.Kinds) > 0 {
			cells = append([]coverage.Cell{{State: a.State, Why: a.Why, Kinds: a.Kinds}}, cells...)
		}
		for k := range cells {
			c := &cells[k]
			r := coverageRecord{
				at: g.At, account: a, place: c, gaps: gaps[tocsin.Place{Account: a.ID, Region: c.Region}],
				proof: valueOf(c.Proof), canary: valueOf(c.Canary), reconciliation: valueOf(c.Reconciliation), detector: valueOf(c.Detector), rule: valueOf(c.Rule),
			}
			for i, column := range coverageColumns {
				record[i] = harmless(column.of(r))
			}
			err = errors.Join(err, w.Write(record))
		}
	}
	w.Flush()
	return errors.Join(err, w.Error())
}

// harmless is a text that no spreadsheet takes for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection).
func harmless(s string) string {
	s = plain(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func kindList(kinds []coverage.Kind) string {
	var all []string
	for _, k := range kinds {
		all = append(all, string(k))
	}
	return strings.Join(all, " ")
}

func oldest(gaps []coverage.Gap) (first time.Time) {
	for _, g := range gaps {
		if first.IsZero() || g.Since.Before(first) {
			first = g.Since
		}
	}
	return first
}

// valueOf is what p points to, or nothing.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
