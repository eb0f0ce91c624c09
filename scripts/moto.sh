#!/bin/sh
# Sends to moto, which others take for AWS in their tests, and reads back what
# arrived. moto_server is the one of TOCSIN_MOTO, or the one in the path:
#
#	pip install 'moto[server]==5.2.1'
set -eu
cd "$(dirname "$0")/.."
TOCSIN_MOTO=${TOCSIN_MOTO:-$(command -v moto_server || true)}
if [ -z "$TOCSIN_MOTO" ]; then
	echo "moto.sh: there is no moto_server: pip install 'moto[server]==5.2.1', or set TOCSIN_MOTO to where it is" >&2
	exit 1
fi
export TOCSIN_MOTO
exec "${GO:-go}" test -count=1 -p 1 -v -run '^TestMoto$' ./internal/notify/aws/...
