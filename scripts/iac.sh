#!/bin/sh
# Checks what `tocsin source connect` writes with the tools that it is for: cfn-lint,
# terraform fmt and validate, and, where moto_server and the AWS CLI are there, by
# carrying out the commands. What is not there is skipped, and said.
set -u
cd "$(dirname "$0")/.." || exit 1
golden=internal/connect/testdata
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() { echo "SKIP $1: $2"; }
must() { echo "$1"; shift; "$@" || failed=1; }

if command -v cfn-lint >/dev/null; then
	for f in "$golden"/*/*.yaml; do must "cfn-lint $f" cfn-lint "$f"; done
else
	skip cfn-lint "it is not installed"
fi

if command -v terraform >/dev/null; then
	# The provider is taken from the plug-in folder of this machine, if it has one.
	plugins=${TF_PLUGINS:-$HOME/.terraform.d/plugins}
	printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$plugins" >"$work/tf.rc"
	export TF_CLI_CONFIG_FILE="$work/tf.rc" TF_IN_AUTOMATION=1
	for f in "$golden"/*/main.tf; do
		folder=$work/$(basename "$(dirname "$f")")
		mkdir "$folder" && cp "$(dirname "$f")"/* "$folder"
		must "terraform fmt $f" terraform fmt -check -diff "$f"
		if [ ! -d "$plugins/registry.terraform.io/hashicorp/aws" ]; then
			skip "terraform validate $f" "no provider in $plugins; TF_PLUGINS names another folder"
		elif (cd "$folder" && terraform init -backend=false -input=false >/dev/null); then
			must "terraform validate $f" terraform -chdir="$folder" validate -no-color
		else
			failed=1
		fi
	done
else
	skip terraform "it is not installed"
fi

if command -v moto_server >/dev/null && command -v aws >/dev/null && command -v python3 >/dev/null; then
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	MOTO_ACCOUNT_ID=111122223333 moto_server -H 127.0.0.1 -p "$port" >/dev/null 2>&1 &
	server=$!
	# Version 1 of the AWS CLI has an address of its own for SQS unless it is told.
	mkdir -p "$work/bin"
	printf '#!/bin/sh\nexec %s --endpoint-url http://127.0.0.1:%s "$@"\n' "$(command -v aws)" "$port" >"$work/bin/aws"
	chmod +x "$work/bin/aws"
	PATH=$work/bin:$PATH
	export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=eu-west-1 AWS_REGION=eu-west-1 AWS_PAGER=
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null && break
		sleep 1
	done
	# It knows no API destinations in stacks; those are made by the commands.
	for name in sns-stack sns-stackset api-cli sns-cli sqs-cli-regions sqs-stack sqs-stackset; do
		# Whether IAM knows a role everywhere is no question here.
		must "moto $name" sh -c 'cd "$1" && sed "s/^  sleep 10 .*//" commands.sh | sh' sh "$golden/$name"
	done
	must "moto: the rule has its target" sh -c 'aws events list-targets-by-rule --region eu-west-1 --rule tocsin-api --query "Targets[0].Arn" --output text | grep api-destination >/dev/null'
	must "moto: the topic has its subscription" sh -c 'aws sns list-subscriptions-by-topic --region eu-west-1 --topic-arn arn:aws:sns:eu-west-1:111122223333:guardduty --query "Subscriptions[0].Protocol" --output text | grep https >/dev/null'
	must "moto: the queue's rule has it as its target" sh -c 'aws events list-targets-by-rule --region eu-west-1 --rule tocsin-findings --query "Targets[0].Arn" --output text | grep sqs:eu-west-1:111122223333:guardduty >/dev/null'
	must "moto: elsewhere it forwards" sh -c 'aws events list-targets-by-rule --region us-east-1 --rule tocsin-findings --query "Targets[0].Arn" --output text | grep eu-west-1:111122223333:event-bus/default >/dev/null'
	kill "$server"
else
	skip moto "moto_server, aws and python3 are not all installed"
fi
exit $failed
