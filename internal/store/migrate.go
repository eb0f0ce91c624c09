package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// migrations are NNNN_name.sql, in order without gaps. One that was released
// never changes: databases exist that ran it as it was.
//
//go:embed migrations/*.sql
var migrations embed.FS

// A migration is one step of the schema.
type migration struct {
	version int64
	name    string
	text    string
}

// migrate brings the schema up to date in one transaction.
func (s *Store) migrate(ctx context.Context, steps []migration) error {
	return s.engine.update(ctx, func(db session) error { return s.dialect.migrate(db, steps) })
}

func (d *dialect) migrate(db session, steps []migration) error {
	if d.migrating != "" {
		if _, err := db.exec(d.migrating); err != nil {
			return err
		}
	}
	_, err := db.exec(`
		CREATE TABLE IF NOT EXISTS schema_version (
			version    BIGINT NOT NULL PRIMARY KEY,
			name       TEXT NOT NULL,
			applied_at BIGINT NOT NULL
		)`)
	if err != nil {
		return err
	}
	var have int64
	err = db.query(`
		SELECT COALESCE(MAX(version), 0)
		FROM schema_version`, nil, func(r row) error { return r.Scan(&have) })
	if err != nil {
		return err
	}
	known := int64(len(steps))
	if have > known {
		return fmt.Errorf("%w: its schema is version %d, and this tocsin knows up to %d; run the newer tocsin, or restore a backup made before it ran", ErrNewer, have, known)
	}
	for _, step := range steps[have:] {
		if err := d.apply(db, step); err != nil {
			return fmt.Errorf("migration %s: %w", step.name, err)
		}
	}
	return nil
}

func (d *dialect) apply(db session, step migration) error {
	for _, statement := range d.statements(step.text) {
		if _, err := db.exec(statement); err != nil {
			return err
		}
	}
	_, err := db.exec(`
		INSERT INTO schema_version (version, name, applied_at)
		VALUES ($1, $2, $3)`, step.version, step.name, time.Now().UnixMilli())
	return err
}

// statements renders a migration's text and takes it apart. A statement ends
// with a semicolon at the end of a line; one for another dialect is left out.
func (d *dialect) statements(text string) []string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept = append(kept, line)
		}
	}
	text = strings.NewReplacer("{{identity}}", d.identity, "{{blob}}", d.blob).Replace(strings.Join(kept, ""))
	var statements []string
	for statement := range strings.SplitSeq(text, ";\n") {
		statement = strings.TrimSuffix(strings.TrimSpace(statement), ";")
		if own, ok := strings.CutPrefix(statement, "{{"+d.name+"}}"); ok {
			statement = strings.TrimSpace(own)
		}
		if statement != "" && !strings.HasPrefix(statement, "{{") {
			statements = append(statements, statement)
		}
	}
	return statements
}

// readMigrations gives them in order; the n-th is version n.
func readMigrations() ([]migration, error) {
	files, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	var steps []migration
	for i, file := range files {
		number, _, _ := strings.Cut(file.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(i+1) {
			return nil, fmt.Errorf("migrations/%s: want number %04d", file.Name(), i+1)
		}
		text, err := fs.ReadFile(migrations, "migrations/"+file.Name())
		if err != nil {
			return nil, err
		}
		steps = append(steps, migration{version, strings.TrimSuffix(file.Name(), ".sql"), string(text)})
	}
	return steps, nil
}
