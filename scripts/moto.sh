#!/bin/sh
# Sends to moto, which others take for AWS in their tests, and reads back what
# arrived. make deps installs it.
set -eu
cd "$(dirname "$0")/.."
exec "${GO:-go}" test -count=1 -p 1 -v -run '^TestMoto$' ./internal/notify/aws/...
