package store

import "context"

// OpenSchema opens a store whose schema is that of an earlier version.
func OpenSchema(ctx context.Context, url string, version int) (*Store, error) {
	steps, err := readMigrations()
	if err != nil {
		return nil, err
	}
	return open(ctx, url, steps[:version])
}

// Run runs the statements of a text as migrations do.
func (s *Store) Run(ctx context.Context, text string) error {
	return s.engine.update(ctx, func(db session) error {
		for _, statement := range s.dialect.statements(text) {
			if _, err := db.exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
}
