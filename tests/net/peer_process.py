"""A transport in a process of its own that sends frames back. JSON: module, class, member, listen, peers."""

import asyncio
import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from chainnode.net.port import Inbound, Peer, Transport
from tests.net.transport_net import config


async def main(module: str, name: str, member: int, listen: list, peers: dict) -> None:
    made = config(
        member,
        {
            int(number): Peer(bytes.fromhex(key), tuple(at) if at else None, dial)
            for number, (key, at, dial) in peers.items()
        },
        listen=tuple(listen),
    )
    transport: Transport = getattr(importlib.import_module(module), name)(made)
    await transport.start()
    host, _, port = transport.listen_addresses()[0].rpartition(":")
    print(json.dumps([host, int(port)]), flush=True)
    while True:
        item = await transport.receive()
        if isinstance(item, Inbound):
            await transport.send(item.peer, item.channel, item.frame)


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.argv[1])))
