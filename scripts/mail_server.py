#!/usr/bin/env python3
"""A mail server for tests: takes mails over SMTP and writes them to a file, one JSON object per line.

    scripts/mail_server.py --port 2525 --mails mails.jsonl --tls starttls --certificate cert.pem --key key.pem \
        --user portcullis --password secret --refuse gone@example.com

It prints "ready" once it listens. While the file named by --hold is there, it waits with its answer to MAIL; it makes a file
of that name with the suffix .held once somebody waits.
"""

import argparse
import asyncio
import json
import logging
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Mailbox:
    """What the server does with each command."""

    def __init__(self, options):
        self.options = options

    def note(self, kind, **members):
        with open(self.options.mails, "a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **members}) + "\n")

    async def handle_MAIL(self, server, session, envelope, address, mail_options):  # noqa: N802 - the library names it.
        hold = self.options.hold
        while hold and hold.exists():
            hold.with_suffix(".held").touch()
            await asyncio.sleep(0.02)
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):  # noqa: N802
        if address in self.options.refuse:
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        await asyncio.sleep(self.options.delay)
        self.note(
            "mail", sender=envelope.mail_from, recipients=envelope.rcpt_tos, message=envelope.content.decode("ascii"),
            tls=session.ssl is not None, signed_in=session.authenticated,
        )
        return "250 OK"


def authenticator(mailbox):
    def judge(server, session, envelope, mechanism, data):
        mailbox.note("sign-in", mechanism=mechanism, tls=session.ssl is not None)
        options = mailbox.options
        right = data.login == options.user.encode() and data.password == options.password.encode()
        return AuthResult(success=right, handled=False)

    return judge


async def serve(options):
    # The library warns about a member that it fills in itself.
    logging.disable(logging.WARNING)
    mailbox = Mailbox(options)
    context = None
    if options.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
    starttls = options.tls == "starttls"

    def session():
        return SMTP(
            mailbox, hostname="localhost", tls_context=context if starttls else None, require_starttls=starttls,
            authenticator=authenticator(mailbox), auth_required=bool(options.user), auth_require_tls=starttls,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", options.port, ssl=None if starttls else context)
    print("ready", flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mails", type=pathlib.Path, required=True)
    parser.add_argument("--tls", choices=("none", "starttls", "implicit"), default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--hold", type=pathlib.Path)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between a mail and the answer to it")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
