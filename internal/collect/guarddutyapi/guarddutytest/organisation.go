package guarddutytest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Account is one of the organisation.
type Account struct {
	ID, Name string
	Status   string // "ACTIVE" if empty
	OU       string // "prod/payments"; empty is the root
	Tags     map[string]string
	Joined   time.Time
}

type organisation struct {
	readers  map[string]bool // the management account and its delegates
	accounts []Account
}

// Organise makes an organisation that an account may read.
func (f *Fake) Organise(reader string, accounts ...Account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.org = organisation{readers: map[string]bool{reader: true}, accounts: slices.Clone(accounts)}
}

const root = "r-root"

// ouID is the id of an organizational unit by its path.
func ouID(path string) string {
	if path == "" {
		return root
	}
	return "ou-root-" + digest([]byte(path))[:8]
}

// organizations are the operations of AWS Organizations, by name.
var organizations = map[string]func(*Fake, *Call) (any, *Fault){
	"ListAccounts": func(f *Fake, c *Call) (any, *Fault) {
		return f.organised(c, "Accounts", func(map[string]any) []any { return described(f.org.accounts) })
	},
	"ListRoots": func(f *Fake, c *Call) (any, *Fault) {
		return f.organised(c, "Roots", func(map[string]any) []any { return []any{map[string]any{"Id": root, "Name": "Root"}} })
	},
	"ListOrganizationalUnitsForParent": func(f *Fake, c *Call) (any, *Fault) {
		return f.organised(c, "OrganizationalUnits", func(in map[string]any) []any { return f.org.units(in["ParentId"]) })
	},
	"ListAccountsForParent": func(f *Fake, c *Call) (any, *Fault) {
		return f.organised(c, "Accounts", func(in map[string]any) []any {
			return described(slices.DeleteFunc(slices.Clone(f.org.accounts), func(a Account) bool { return ouID(a.OU) != in["ParentId"] }))
		})
	},
	"ListTagsForResource": func(f *Fake, c *Call) (any, *Fault) {
		return f.organised(c, "Tags", func(in map[string]any) []any {
			tags := []any{}
			for _, a := range f.org.accounts {
				if a.ID == in["ResourceId"] {
					for k, v := range a.Tags {
						tags = append(tags, map[string]any{"Key": k, "Value": v})
					}
				}
			}
			return tags
		})
	},
}

// organised is a page of an answer, for those who may read the organisation.
func (f *Fake) organised(c *Call, member string, all func(in map[string]any) []any) (any, *Fault) {
	if !f.org.readers[c.Account] {
		return nil, &Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException", Message: "You don't have permissions to access this resource."}
	}
	var in map[string]any
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return nil, bad("%v", err)
	}
	list, from := all(in), 0
	if token, ok := in["NextToken"].(string); ok {
		from, _ = strconv.Atoi(token)
	}
	end := min(from+20, len(list)) // which is Organizations' most
	answer := map[string]any{member: list[from:end]}
	if end < len(list) {
		answer["NextToken"] = strconv.Itoa(end)
	}
	return answer, nil
}

func described(accounts []Account) []any {
	all := []any{}
	for _, a := range accounts {
		status := cmp.Or(a.Status, "ACTIVE")
		all = append(all, map[string]any{
			"Id": a.ID, "Name": a.Name, "Status": status, "State": status, "Email": "aws-" + a.ID + "@example.com",
			"Arn": "arn:aws:organizations::" + Own + ":account/o-example/" + a.ID, "JoinedMethod": "CREATED", "JoinedTimestamp": float64(a.Joined.Unix()),
		})
	}
	return all
}

// units are the organizational units directly below a parent.
func (o organisation) units(parent any) []any {
	seen, all := map[string]bool{}, []any{}
	for _, a := range o.accounts {
		path := ""
		for name := range strings.SplitSeq(a.OU, "/") {
			if name == "" {
				continue
			}
			above := path
			path = strings.TrimPrefix(path+"/"+name, "/")
			if ouID(above) == parent && !seen[path] {
				seen[path] = true
				all = append(all, map[string]any{"Id": ouID(path), "Name": name})
			}
		}
	}
	return all
}
