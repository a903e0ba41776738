#!/bin/sh
# Prints a session (HS256, an hour) for docker-compose.yml's example: session.sh SUB [ROLE…]. Needs openssl.
set -eu
here=$(dirname "$0")
sub=${1:?usage: session.sh SUB [ROLE...]}
shift
roles=
for role in "$@"; do
    roles="$roles${roles:+,}\"$role\""
done
now=$(date +%s)
b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
header=$(printf '{"alg":"HS256","typ":"JWT"}' | b64url)
claims=$(printf '{"iss":"https://login.example.com/","aud":"usher","sub":"%s","roles":[%s],"iat":%d,"exp":%d}' \
    "$sub" "$roles" "$now" "$((now + 3600))" | b64url)
key=$(od -An -v -tx1 < "$here/session_secret" | tr -d ' \n')
signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | b64url)
printf '%s.%s.%s\n' "$header" "$claims" "$signature"
