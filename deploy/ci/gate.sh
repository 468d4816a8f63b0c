#!/bin/sh
# One gate of a pipeline: `gate.sh post-deploy --env prod --release v1.2.0`. Every job of deploy/ci calls this.
#
# Ends with the gate's own code: 0 GO; 10 ROLLBACK, STOP or NO_GO; 20 HOLD; 64, 70, 78 no verdict. Whatever else
# a shell or a kernel may end with is 70, and so is a 0 beside a verdict that is not GO: only GO ends with 0.
# Evidence lies in $GATE_EVIDENCE (gate-evidence). Who wants to know (pages at 10 and 20, say) is told by
# `gate notify`, where the environment has that section; whether they can be reached changes nothing.
set -u
evidence=${GATE_EVIDENCE:-gate-evidence}
export GATE_OUT="$evidence/$(date -u +%Y%m%dT%H%M%SZ)-$$"
case $evidence in /*) ;; *) GATE_OUT=$PWD/$GATE_OUT ;; esac

code=0 plan=
if [ "${1:-}" = rollback ]; then
  # What people need is what it prints: their page shows it, and the evidence keeps it.
  plan=$GATE_OUT/plan.txt
  mkdir -p "$GATE_OUT"
  ${GATE:-gate} "$@" >"$plan" || code=$?
  cat "$plan"
else
  ${GATE:-gate} "$@" || code=$?
fi

run=$(find "$GATE_OUT" -mindepth 2 -maxdepth 2 -name verdict.json 2>/dev/null | head -n 1)
run=${run%/verdict.json}
decision=
[ -z "$run" ] || decision=$(sed -n 's/^ "decision": "\([A-Z_]*\)",$/\1/p' "$run/verdict.json")
case $code:$decision in
  0:GO) meaning='GO' ;;
  10:ROLLBACK|10:STOP|10:NO_GO) meaning="$decision: measured and bad. This recommends and does not authorise" ;;
  20:HOLD) meaning='HOLD: it could not be decided. A person decides' ;;
  64:*|70:*|78:*) meaning="no verdict (code $code): this is not GO" ;;
  *) meaning="no verdict (code $code, decision '$decision'): this is not GO"; code=70 ;;
esac

# One line, and nothing of it a command: what stands in it may come from the arguments.
line=$(printf '%s: gate %s' "$meaning" "$*" | tr '\r\n' '  ' | sed 's/%/%25/g')
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'code=%s\ndecision=%s\nrun=%s\n' "$code" "$decision" "$run" >>"$GITHUB_OUTPUT"
  if [ "$code" = 0 ]; then kind=notice; elif [ "$code" = 20 ]; then kind=warning; else kind=error; fi
  printf '::%s title=Deployment gate::%s\n' "$kind" "$line"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  if [ -n "$plan" ]; then printf '## Plan of the rollback\n\n'; sed 's/^/    /' "$plan"; elif [ -f "$run/summary.md" ]; then cat "$run/summary.md"; else printf '# %s\n' "$meaning"; fi >>"$GITHUB_STEP_SUMMARY"
fi
if [ -n "${GITLAB_CI:-}" ]; then
  printf 'GATE_CODE=%s\nGATE_DECISION=%s\nGATE_RUN=%s\n' "$code" "$decision" "$run" >"$evidence/gate.env"
fi
[ -z "$run" ] || ${GATE:-gate} notify "$run" >&2
if [ "$code:$decision:${UNATTENDED_ROLLBACK:-}" = 10:ROLLBACK:true ]; then
  # The gate writes it only where its policy lets a rollback run without a person; the code stays 10.
  if ! ${GATE:-gate} rollback script "$run" >"$GATE_OUT/rollback.sh"; then
    printf 'gate.sh: not rolled back: a person decides\n' >&2
  elif sh "$GATE_OUT/rollback.sh" >&2; then
    printf 'gate.sh: rolled back without a person; verify it: gate post-rollback\n' >&2
  else
    printf 'gate.sh: the rollback broke off; a person goes on with it: %s\n' "$GATE_OUT/rollback.sh" >&2
  fi
fi
printf 'gate.sh: %s\n' "$meaning" >&2
exit "$code"
