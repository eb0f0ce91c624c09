package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var static embed.FS

// assets are the static files under names that change with their content, so
// that browsers may keep them for good.
type assets struct {
	urls  map[string]string // "tocsin.css" to "/static/tocsin.0a1b2c3d4e5f.css"
	files map[string][]byte // by hashed name
}

func loadAssets() assets {
	a := assets{map[string]string{}, map[string][]byte{}}
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		panic(err) // a bad pattern, which is ours
	}
	for _, name := range names {
		content, err := static.ReadFile(name)
		if err != nil {
			panic(err) // embedded, so it is there
		}
		sum := sha256.Sum256(content)
		base := path.Base(name)
		ext := path.Ext(base)
		hashed := strings.TrimSuffix(base, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.urls[base] = "/static/" + hashed
		a.files[hashed] = content
	}
	return a
}

// assetTypes are ours, since a system's table of types may say otherwise.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func (p *Pages) serveAsset(w http.ResponseWriter, r *http.Request) error {
	content, ok := p.assets.files[r.PathValue("name")]
	if !ok {
		return noSuchPage(r)
	}
	ext := path.Ext(r.PathValue("name"))
	kind, ok := assetTypes[ext]
	if !ok {
		kind = mime.TypeByExtension(ext)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // the browser may have gone
	return nil
}

// digest is what a policy calls a style that stands within a page.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}
