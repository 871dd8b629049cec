import json, sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-test", max_retries=0)
out = {"models": [m.id for m in client.models.list().data]}
ask = dict(model="scripted", messages=[{"role": "user", "content": "hi"}])
tool = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}
whole = client.chat.completions.create(**ask)
out["whole"] = [whole.choices[0].message.content, whole.choices[0].finish_reason, whole.usage.total_tokens > 0]
text, calls, usage, finish = "", {}, None, None
stream = client.chat.completions.create(**ask, tools=[tool], stream=True, stream_options={"include_usage": True})
for chunk in stream:
    usage = chunk.usage or usage
    for choice in chunk.choices:
        finish = choice.finish_reason or finish
        text += choice.delta.content or ""
        for call in choice.delta.tool_calls or []:
            at = calls.setdefault(call.index, ["", ""])
            at[0] += call.function.name or ""
            at[1] += call.function.arguments or ""
out["stream"] = [text, [[n, json.loads(a)] for n, a in calls.values()], finish, usage.prompt_tokens > 0]
for name in ("limited", "broken"):
    try:
        for _ in client.chat.completions.create(**ask, stream=True):
            pass
        out[name] = "no error"
    except openai.RateLimitError as err:
        out[name] = ["rate limit", err.response.headers["retry-after"]]
    except openai.APIError as err:
        out[name] = ["api error", err.message]
print(json.dumps(out))
