"""A complete provider bot with the package `websockets` (10 or later). Each line of its input, `SESSION NAME`, raises a notification and
its outcome is printed. Without an answer in time the session is marked. The position is kept in a file, so no outcome is lost.

    echo "conv-$RANDOM Grace" | python3 bot.py ws://127.0.0.1:8080/ws bot.position 20000     (a token: DESKBELL_TOKEN_FILE=FILE)"""
import asyncio, collections, contextlib, json, os, pathlib, sys, websockets
hub, file, patience_ms = [*sys.argv[1:4], *["ws://127.0.0.1:8080/ws", "bot.position", "20000"][len(sys.argv) - 1:]]
file, patience_ms, token_file = pathlib.Path(file), int(patience_ms), os.environ.get("DESKBELL_TOKEN_FILE")
calls = {}    # calls without a reply, by id: sent again after a reconnection; the hub recognises the id
ringing = {}  # ringing notifications, by session: the task that marks one when no agent answers in time
known, socket = collections.deque(maxlen=1000), None  # an outcome may arrive twice

async def send(**call):
    calls[call["id"]] = call
    with contextlib.suppress(websockets.ConnectionClosed):
        if socket: await socket.send(json.dumps(call))

def watch(session):
    async def late():
        await asyncio.sleep(patience_ms / 1000)
        await send(type="kpi", id=f"late {session}", sessionId=session, details=f"no answer after {patience_ms} ms")
    ringing[session] = ringing.get(session) or asyncio.create_task(late())

async def handle(message):
    kind, call = message["type"], message.get("id")
    if kind == "welcome":
        for one in message["open"]: watch(one["id"])
        for one in [*calls.values()]: await send(**one)
        if message.get("missed"): print("away for too long: some outcomes are forgotten", file=sys.stderr)
    if kind == "error": print(message["code"], message["detail"], file=sys.stderr)
    if kind == "result" and message.get("msdyn_name") == "NotifyEvent" and message["notificationId"] not in known:
        known.append(message["notificationId"])
        print(call, *message["value"].values(), message.get("agentId", "nobody"), flush=True)
        file.write_text(message["position"])
    if kind in ("result", "error"): calls.pop(call, None)
    if kind in ("result", "error") and call in ringing:
        ringing.pop(call).cancel()
        await send(type="kpi", id=f"over {call}", sessionId=call, shouldReset=True)

async def stay_connected():
    global socket
    async with contextlib.aclosing(aiter(websockets.connect(hub, subprotocols=["deskbell.v1"]))) as connections:
        async for socket in connections:  # reconnects after a pause, also after 4401, when the token has expired
            hello, text = {"type": "hello", "role": "provider", "resume": file.read_text() if file.exists() else True}, None
            hello |= {"token": pathlib.Path(token_file).read_text().strip()} if token_file else {"providerId": "bot-python"}
            with contextlib.suppress(websockets.ConnectionClosed):
                await socket.send(json.dumps(hello))
                async for text in socket: await handle(json.loads(text))
            if socket.close_code in (4400, 4403, not text and 4401): sys.exit(f"the hub refuses this bot: {socket.close_code}")

async def main():
    connected = asyncio.create_task(stay_connected())
    while line := await asyncio.to_thread(sys.stdin.readline):
        session, _, name = line.strip().partition(" ")
        watch(session)
        await send(type="notify", id=session, sessionId=session, templateParameters={"customerName": name},
                  templateName="msdyn_chat_incoming_unauthenticated")
    while (ringing or calls) and not (connected.done() and connected.result()): await asyncio.sleep(0.1)

asyncio.run(main())
