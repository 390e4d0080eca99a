# SPDX-License-Identifier: MIT
"""grpcio answering test.Echo/Unary with what it got: rpc_server.py CERT KEY CA; prints the port."""

import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    """One method, no messages decoded."""

    def service(self, handler_call_details):
        if handler_call_details.method != "/test.Echo/Unary":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


def main():
    cert, key, authority = (open(path, "rb").read() for path in sys.argv[1:4])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), handlers=(Echo(),))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(
        [(key, cert)], authority, require_client_auth=True))
    server.start()
    print("port", port, flush=True)
    server.wait_for_termination()


main()
