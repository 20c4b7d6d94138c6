# A client of the Lambda Runtime API for tests, in bash.
#   next            waits for an event: sets id, body, headers
#   answer TEXT     answers it
#   fail TEXT       fails it
#   call METHOD PATH BODY    any call: sets status too
export LC_ALL=C
api=/2018-06-01/runtime
call() {
  local connection line length=0
  exec {connection}<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}"
  printf '%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "${#3}" "$3" >&"$connection"
  read -r _ status _ <&"$connection"
  headers= body=
  while IFS= read -r line <&"$connection" && line=${line%$'\r'} && [[ -n $line ]]; do
    headers+=$line$'\n'
    case ${line,,} in
      content-length:*) length=${line#*: } ;;
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
    esac
  done
  ((length == 0)) || IFS= read -r -N "$length" body <&"$connection"
  exec {connection}>&-
}
next() { call GET $api/invocation/next ''; }
answer() { call POST "$api/invocation/$id/response" "$1"; }
fail() { call POST "$api/invocation/$id/error" "$1"; }
