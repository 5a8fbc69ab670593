#!/usr/bin/env bash
set -euo pipefail

source ./lib/common.sh
. "$HOME/.profile"

readonly TARGET="production"
export REGION=eu
retries=3

# Builds the image. It is tagged with the commit.
build() {
  local tag
  tag="$(git rev-parse HEAD)"
  docker build --tag "$tag" .
}

function deploy {
  build
  log "deploying to $TARGET"
  for host in a b; do
    copy "$host" || return 1
  done
}

alias ll='ls -l'

deploy "$@"
