import json, sys, anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-test", max_retries=0)
out = {"models": [m.id for m in client.models.list().data]}
ask = dict(model="scripted", max_tokens=4000, messages=[{"role": "user", "content": "hi"}])
tool = {"name": "read_file", "input_schema": {"type": "object"}}


def shown(message):
    blocks = []
    for b in message.content:
        if b.type == "text":
            blocks.append(["text", b.text])
        elif b.type == "thinking":
            blocks.append(["thinking", b.thinking, b.signature])
        elif b.type == "redacted_thinking":
            blocks.append(["redacted_thinking", b.data])
        else:
            blocks.append([b.type, b.name, b.input])
    usage = [message.usage.input_tokens, message.usage.output_tokens]
    return [blocks, message.stop_reason, usage, message.model]


out["whole"] = shown(client.messages.create(**ask))
text = ""
with client.messages.stream(**ask, tools=[tool]) as stream:
    for piece in stream.text_stream:
        text += piece
    final = stream.get_final_message()
out["stream"] = [text, shown(final)]
# What came goes back, with the results.
ask["messages"] += [
    {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in final.content if b.type != "text"]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": b.id, "content": "ok"} for b in final.content if b.type == "tool_use"
    ]},
]
thinking = {"type": "enabled", "budget_tokens": 1024}
out["again"] = shown(client.messages.create(**ask, thinking=thinking))
for name in ("limited", "overloaded", "broken"):
    try:
        with client.messages.stream(**ask) as stream:
            stream.get_final_message()
        out[name] = "no error"
    except anthropic.RateLimitError as err:
        out[name] = ["rate limit", err.response.headers["retry-after"], err.body["error"]["type"]]
    except anthropic.APIStatusError as err:
        out[name] = ["status", err.status_code, err.body["error"]["type"], err.body["error"]["message"]]
try:
    client.messages.create(**{**ask, "messages": ask["messages"][:2]})
    client.messages.create(**{**ask, "messages": [{"role": "user", "content": "a"}, ask["messages"][1], ask["messages"][0]]})
    out["refused"] = "no error"
except anthropic.BadRequestError as err:
    out["refused"] = "without `tool_result` blocks" in err.body["error"]["message"]
print(json.dumps(out))
