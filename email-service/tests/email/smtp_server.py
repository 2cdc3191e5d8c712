"""A mail server for tests, by aiosmtpd.

Its argument is JSON: {"port": 0, "replies": {address: [reply, ...]}, "credentials": [user, password] or null}.
The replies are what RCPT TO for an address is answered, one after the other, before it is accepted; "hang" is no
answer at all, and "data: <reply>" an answer to DATA. It writes JSON to stdout, one line each: first
{"port": n}, then each mail it has accepted, with what Python reads in its parts. It ends when its stdin does.
"""

import asyncio
import json
import os
import sys
import threading
from email import message_from_bytes, policy

try:
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
except ImportError:
    sys.exit("aiosmtpd is missing: install it, and let SMTP_PYTHON name the interpreter that has it")


def tell(message):
    print(json.dumps(message), flush=True)


def parts(content):
    mail = message_from_bytes(content, policy=policy.default)
    return [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in mail.iter_parts()]


class Handler:
    def __init__(self, replies):
        self.replies = replies
        self.connections = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.connections += 1
        session.number = self.connections
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        replies = self.replies.get(address)
        if replies and not replies[0].startswith("data: "):
            reply = replies.pop(0)
            if reply == "hang":
                await asyncio.Event().wait()
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            if self.replies.get(address):
                return self.replies[address].pop(0).removeprefix("data: ")
        tell({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode(),
            "parts": parts(envelope.content),
            "connection": session.number,
        })
        return "250 accepted"


async def main(settings):
    handler = Handler(settings["replies"])
    options = {}
    if settings["credentials"]:
        user, password = (text.encode() for text in settings["credentials"])

        def authenticate(server, session, envelope, mechanism, data):
            known = isinstance(data, LoginPassword) and (data.login, data.password) == (user, password)
            return AuthResult(success=known, handled=False)

        options = {"authenticator": authenticate, "auth_require_tls": False, "auth_required": True}

    def connection():
        return SMTP(handler, enable_SMTPUTF8=settings["utf8"], **options)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", settings["port"])
    tell({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
asyncio.run(main(json.loads(sys.argv[1])))
