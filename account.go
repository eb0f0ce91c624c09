package tocsin

// An Account is what the configuration says of one AWS account.
type Account struct {
	ID          string // 12 digits
	Name        string // how people call it; empty if the configuration does not name it
	Environment string // "prod"
	Team        string // who owns it
	// Minimum is the lowest level that is worth an alert in this account; what is
	// below is recorded as filtered.
	Minimum Level
	// Receivers are told of the account's alerts unless a route says otherwise.
	Receivers []string
}

// Label is "payments-prod (111122223333)", or the id alone.
func (a Account) Label() string {
	if a.Name == "" {
		return a.ID
	}
	return a.Name + " (" + a.ID + ")"
}
