"""An OpenAI-compatible server on 127.0.0.1, as a process: over the tiny model, or answering from a script.

python loopback_server.py model FOLDER        serves a folder's vision-language model through facebench-vlm
python loopback_server.py script FILE LOG     answers each request with the next line of FILE, the last one for ever

It prints its port. A line of a script is JSON with any of: status, headers, json, text, size (bytes of filling), cut
(the connection is closed amid the body), slow (seconds before the body), words (one of them is said, the same to the
same question). LOG gets a JSON line a request.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = dict[str, Any]
VERSION, MODEL = "0.0.1-loopback", "served"


class Scripted:
    """Replies from a file, requests into another."""

    def __init__(self, script: Path, log: Path) -> None:
        self.lines = [json.loads(line) for line in script.read_text("utf-8").splitlines()]
        self.log, self.lock = log, threading.Lock()

    def reply(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        with self.lock:
            if path == "/v1/chat/completions":
                line: Reply = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
            else:
                line = known(path)
            row = {"method": method, "path": path, "headers": headers, "body": body, "at": time.monotonic()}
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        if "words" in line and body is not None:
            place = int(hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest(), 16) % len(line["words"])
            said = {"message": {"role": "assistant", "content": line["words"][place]}}
            return {"json": {"choices": [said]}}
        return line


class Modelled:
    """Replies by a model that facebench-vlm loads; its log-probabilities come of a plain pass over all tokens."""

    def __init__(self, folder: Path) -> None:
        import bench
        from bench.plugins import discover

        method = discover().method("vlm").method
        options = {"model": "served", "max_new_tokens": 8}
        self.model, self.lock = method.load(bench.Load(folder, options=options)), threading.Lock()

    def reply(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        if path != "/v1/chat/completions":
            return known(path)
        with self.lock:
            return {"json": self._prompted(body) if "prompt_logprobs" in body else self._said(body)}

    def _question(self, message: Any) -> Any:
        import numpy as np
        from PIL import Image

        from bench.records import Face, Question

        face, text = None, ""
        for part in message["content"]:
            if part["type"] == "text":
                text = part["text"]
            else:
                raw = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
                face = Face("served", np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")))
        return Question("served", text, (), face)

    def _said(self, body: Any) -> Reply:
        (text,) = self.model.answer([self._question(body["messages"][0])])
        return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}

    def _prompted(self, body: Any) -> Reply:
        import torch

        question = self._question(body["messages"][0])
        (batch,) = self.model._batches([question], "left")
        tail = "" if body["add_generation_prompt"] else body["messages"][1]["content"] + self.model.end[0]
        more = self.model.tokenizer(tail, add_special_tokens=False, return_tensors="pt")["input_ids"].long()
        ids = torch.cat([batch.inputs["input_ids"], more], 1)
        inputs = {**batch.inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.inference_mode():
            logits = self.model.network(**inputs).logits[0].double().log_softmax(1)
        rows: list[Any] = [None]
        for place, token in enumerate(ids[0, 1:].tolist()):
            text = self.model.tokenizer.decode([token])
            rows.append({str(token): {"logprob": float(logits[place, token]), "rank": 1, "decoded_token": text}})
        return {**self._said(body), "prompt_logprobs": rows}


def known(path: str) -> Reply:
    """What is not a chat: the version as vLLM tells it, and one model."""
    if path == "/version":
        return {"json": {"version": VERSION}}
    if path == "/v1/models":
        return {"json": {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "loopback"}]}}
    return {"status": 404, "json": {"error": "there is no such path"}}


class Handler(BaseHTTPRequestHandler):
    """HTTP around ``server.reply``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, body: Any) -> None:
        reply: Callable[..., Reply] = self.server.reply  # type: ignore[attr-defined]
        told = reply(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        data = json.dumps(told["json"]).encode() if "json" in told else str(told.get("text", "")).encode()
        data += b" " * int(told.get("size", 0))
        time.sleep(float(told.get("slow", 0)))
        self.send_response(int(told.get("status", 200)))
        for name, value in {"Content-Type": "application/json", **told.get("headers", {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if told.get("cut") else data)
        if told.get("cut"):
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Nothing: what is asked is personal."""


def main() -> None:
    """Serve until the process is ended."""
    kind, *rest = sys.argv[1:]
    made: Any = Modelled(Path(rest[0])) if kind == "model" else Scripted(Path(rest[0]), Path(rest[1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.reply = made.reply  # type: ignore[attr-defined]
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
