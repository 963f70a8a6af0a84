// The conversation that every client has, in a page; returns what came of it.
async ({ url, large, seconds }) => {
  const result = { texts: [], binaries: [], counted: [], refused: [] };

  const connect = (address, protocols = []) =>
    new Promise((done) => {
      const socket = new WebSocket(address, protocols);
      const waiting = [];
      const received = [];
      socket.binaryType = "arraybuffer";
      socket.closed = new Promise((closed) => (socket.onclose = (event) => {
        closed([event.code, event.reason, event.wasClean]);
        done(socket);
      }));
      socket.onmessage = (event) => (waiting.length ? waiting.shift()(event.data) : received.push(event.data));
      socket.receive = () => new Promise((taken) => (received.length ? taken(received.shift()) : waiting.push(taken)));
      socket.onopen = () => done(socket);
    });

  const socket = await connect(url, ["echo.v3", "echo.v1", "echo.v2"]);
  result.subprotocol = socket.protocol;
  result.compressed = socket.extensions.startsWith("permessage-deflate");
  for (const text of ["", "grüß dich", large]) {
    socket.send(text);
    result.texts.push(await socket.receive());
  }
  for (const data of [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, value) => value)]) {
    socket.send(data);
    const bytes = new Uint8Array(await socket.receive());
    result.binaries.push([...bytes].map((value) => value.toString(16).padStart(2, "0")).join(""));
  }
  socket.send("count 500");
  for (let number = 0; number < 500; number++) result.counted.push(await socket.receive());
  socket.send("size 1000000");
  result.size = (await socket.receive()).byteLength;
  await new Promise((done) => setTimeout(done, seconds * 1000));
  socket.send("still there");
  result.still = await socket.receive();
  socket.send("close 4001 as asked");
  result["closed by server"] = await socket.closed;

  const leaving = await connect(url);
  leaving.close(1000);
  result["closed by client"] = await leaving.closed;

  for (const status of [401, 403, 429]) {
    const refused = await connect(`${url}?refuse=${status}`);
    result.refused.push((await refused.closed)[0]);
  }

  const shouting = await connect(url);
  shouting.send(new Uint8Array(1100000));
  result["too big"] = (await shouting.closed)[0];
  return result;
};
