"""A function that works, fails, names failures, hangs or crashes, as chance (seeded by message and
receive) has it. It notes what it does with each message in `log.<pid>`, and holds a lock for each
while it works, so that a second run beside the first is seen however either of them ends."""
import fcntl, hashlib, http.client, json, os, sys, time

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
log = os.open(f"log.{os.getpid()}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)


def note(*words):
    os.write(log, (" ".join(words) + "\n").encode())


def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer, answer.read()


def chance(record, what):
    """A number from 0 to 999."""
    text = record["messageId"] + record["attributes"]["ApproximateReceiveCount"] + what
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % 1000


def lock(record):
    held = os.open("locks/" + record["messageId"], os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("OVERLAP", record["body"])
    return held


while True:
    head, event = call("GET", "invocation/next")
    request = "invocation/" + head.headers["Lambda-Runtime-Aws-Request-Id"]
    records = json.loads(event)["Records"]
    held = [lock(record) for record in records]
    for record in records:
        note("start", record["body"], record["attributes"]["ApproximateReceiveCount"])
    first = records[0]
    time.sleep(chance(first, "work") / 100_000)
    fails = lambda record: record["body"].endswith("-poison") or chance(record, "fails") < 60
    failures = [record["messageId"] for record in records if fails(record)]
    outcome = chance(first, "outcome")
    if outcome < 10:
        note("crash")
        os._exit(1)
    if outcome < 25:
        note("hang")
        time.sleep(60)  # slow on purpose
    if outcome < 60:
        for held_lock in held:
            os.close(held_lock)
        call("POST", request + "/error", b'{"errorType":"Chance","errorMessage":"no luck"}')
        continue
    for record in records:
        if record["messageId"] not in failures:
            note("done", record["body"])
    for held_lock in held:
        os.close(held_lock)
    answer = {"batchItemFailures": [{"itemIdentifier": i} for i in failures]}
    call("POST", request + "/response", json.dumps(answer).encode())
