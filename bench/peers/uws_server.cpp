// The pubsub protocol of /conformance/pubsub on uWebSockets, with its own publish/subscribe.
// Built outside the tree by bench/peers/build_uws.sh; one thread, no compression, no backpressure
// limit (a slow reader is not what is measured).
//
//     uws_server PORT
#include "App.h"

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

struct Nothing {};

int main(int argc, char **argv)
{
    const int port = argc > 1 ? std::atoi(argv[1]) : 0;
    static uint64_t counted = 0;
    uWS::App app;
    app.ws<Nothing>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 64 * 1024,
        .idleTimeout = 28, // pings by itself about every 25 s
        .maxBackpressure = 0,
        .sendPingsAutomatically = true,
        .message = [&app](auto *ws, std::string_view text, uWS::OpCode) {
            std::string_view rest = text.size() > 2 ? text.substr(2) : std::string_view();
            switch (text.empty() ? 0 : text[0]) {
            case 's': {
                ws->subscribe(rest);
                std::string answer = "ok ";
                answer += rest;
                ws->send(answer, uWS::TEXT);
                break;
            }
            case 'p': {
                const size_t space = rest.find(' ');
                app.publish(rest.substr(0, space), rest.substr(space + 1), uWS::TEXT);
                break;
            }
            case 'e':
                ws->send(rest, uWS::TEXT);
                break;
            case 'i':
                counted++;
                break;
            case 'c':
                ws->send(std::to_string(counted), uWS::TEXT);
                break;
            }
        },
    });
    app.listen("127.0.0.1", port, [port](auto *socket) {
        if (socket == nullptr) {
            std::exit(1);
        }
        std::cout << "{\"event\":\"ready\",\"listen\":[\"127.0.0.1:" << port << "\"]}" << std::endl;
    });
    app.run();
}
