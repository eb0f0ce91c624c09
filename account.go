package tocsin

// An Account is what the configuration says of one AWS account.
type Account struct {
	ID          string // 12 digits
	Name        string // how people call it; empty if the configuration does not name it
	Environment string // "prod"
	Team        string // who owns it; a team may also own it by its OU or by a tag
	// OU is where in the organisation it stands: the names of its organizational
	// units from the root's child down, "prod/payments"
	// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_ous.html).
	OU string
	// Tags are those that the account itself has in AWS Organizations.
	Tags map[string]string
	// Minimum is the lowest level that is worth an alert in this account; what is
	// below is recorded as filtered.
	Minimum Level
	// Receivers are told of the account's alerts unless a route says otherwise.
	Receivers []string
	// Regions are those that the account uses; nil where the configuration does not
	// say.
	Regions []string
}

// Label is "payments-prod (111122223333)", or the id alone.
func (a Account) Label() string {
	if a.Name == "" {
		return a.ID
	}
	return a.Name + " (" + a.ID + ")"
}
