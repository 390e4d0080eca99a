# SPDX-License-Identifier: MIT
"""A server for trying networks: answers every GET on port 8080."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class Api(BaseHTTPRequestHandler):
    """One sentence for everybody."""

    def do_GET(self):  # pylint: disable=invalid-name
        """Answers."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the api\n")


HTTPServer(("", 8080), Api).serve_forever()
