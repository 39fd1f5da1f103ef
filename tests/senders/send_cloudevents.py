"""Sends CloudEvents with the official SDK for Python, in the mode that is asked for, and prints what is answered.

usage: send_cloudevents.py URL TOKEN structured|binary|batched
"""

import datetime
import sys
import urllib.error
import urllib.request

from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent


def event(number, mode):
    attributes = {
        "type": "disk.failed",
        "source": "https://example.com/smart?ü",
        "id": f"{mode}-{number}",
        "subject": f"host/{mode}-{number}",
        "time": datetime.datetime.now(datetime.timezone.utc),
        "datacontenttype": "application/json",
        "comexamplenote": 'Euro € 😀 "95 %"',
    }
    return CloudEvent(attributes, {"slot": number, "model": "M 1", "spare": False})


def message(mode):
    if mode == "structured":
        return to_structured_event(event(1, mode))
    if mode == "binary":
        return to_binary_event(event(1, mode))
    # The SDK writes no batches; one is a list of what it writes.
    bodies = [to_structured_event(event(number, mode)).body for number in (1, 2)]
    return HTTPMessage({"content-type": "application/cloudevents-batch+json"}, b"[" + b",".join(bodies) + b"]")


def main(url, token, mode):
    sent = message(mode)
    headers = {**sent.headers, "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data=sent.body, headers=headers, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())


main(*sys.argv[1:])
