"""Serve every problem, response and search tree of a study to a browser on this machine: `view.py STUDY`."""

import argparse
import socket
import sys
import webbrowser

from ttstudy.errors import StudyError
from ttstudy.run.telling import told
from ttstudy.view import groups, server, site


def main() -> None:
    """Open the study and answer until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="a study's file, or its folder in results/studies")
    parser.add_argument("--port", type=int, help=f"port of the loopback; else {server.PORT}, or any that is free")
    parser.add_argument("--open", action="store_true", help="open the browser too")
    args = parser.parse_args()

    def viewer() -> server.Viewer:
        try:
            return server.opened(site.Site(groups.opened(args.study)), args.port)
        except OSError as error:
            if args.port is None:
                raise
            raise StudyError(f"--port {args.port}: cannot be listened on ({error.strerror}); name another") from None

    found = told(viewer)
    port = found.server_address[1]
    print(f"Open {found.address}")
    print(f"From another machine: ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}, then the same address there.")
    print("Whoever has this address can read the study. Ctrl-C ends.", flush=True)
    if args.open:
        webbrowser.open(found.address)
    try:
        found.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        found.server_close()


if __name__ == "__main__":
    main()
