import base64, json, sys, ollama

client = ollama.Client(host=sys.argv[1])
out = {"models": [m.model for m in client.list().models]}
shown = client.show("scripted")
out["show"] = [shown.capabilities, shown.modelinfo["qwen2.context_length"]]
ask = dict(model="scripted", messages=[{"role": "user", "content": "hi", "images": [base64.b64decode("aGk=")]}])
tool = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}


def calls(message):
    return [[c.function.name, dict(c.function.arguments)] for c in message.tool_calls or []]


whole = client.chat(**ask)
out["whole"] = [whole.message.content, whole.done_reason, whole.prompt_eval_count, whole.eval_count]
text, thought, called, end, last = "", "", [], None, None
for part in client.chat(**ask, tools=[tool], stream=True, think=True):
    text += part.message.content or ""
    thought += part.message.thinking or ""
    called += calls(part.message)
    last = part.message
    end = part if part.done else end
out["stream"] = [thought, text, called, end.done_reason, end.eval_count]
# What came goes back, with the results.
ask["messages"] += [
    {"role": "assistant", "content": text, "tool_calls": [{"function": {"name": n, "arguments": a}} for n, a in called]},
    {"role": "tool", "content": "ok", "tool_name": "read_file"},
]
out["again"] = client.chat(**ask, format={"type": "object"}).message.content
for name in ("limited", "broken", "unknown"):
    try:
        for _ in client.chat(**ask, stream=True):
            pass
        out[name] = "no error"
    except ollama.ResponseError as err:
        out[name] = [err.status_code, err.error]
try:
    client.show("nobody")
except ollama.ResponseError as err:
    out["nobody"] = err.status_code
print(json.dumps(out))
