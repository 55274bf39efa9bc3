#!/usr/bin/env escript
%% SCTP as Erlang's gen_sctp has it: a server (serve ADDRESS OTHER-ADDRESS PORT), and a client (call ADDRESS OTHER-ADDRESS PORT).
%%
%% Written for any kernel with SCTP. Prints what it is done with; what is not as it should be is an error.
-include_lib("kernel/include/inet.hrl").
-include_lib("kernel/include/inet_sctp.hrl").
-define(LIMIT, 30000).
%% What both ends want to be told of beside messages: associations' beginnings and ends.
-define(EVENTS, {sctp_events, #sctp_event_subscribe{
    data_io_event = true, association_event = true, shutdown_event = true, address_event = false}}).

main([Role, First, Second, Port]) ->
    Addresses = [address(Text) || Text <- [First, Second]],
    case Role of
        "serve" -> serve(Addresses, list_to_integer(Port));
        "call" -> call(Addresses, list_to_integer(Port))
    end.

address(Text) ->
    {ok, Address} = inet:parse_address(Text),
    Address.

%% Echoes: first on the one-to-many socket, from an association's first message on on a socket of its own.
serve(Addresses, Port) ->
    Options = [{ip, Address} || Address <- Addresses] ++ [{sctp_initmsg, #sctp_initmsg{num_ostreams = 9, max_instreams = 7}}],
    {ok, Socket} = gen_sctp:open(Port, Options ++ [binary, ?EVENTS, {active, false}]),
    ok = gen_sctp:listen(Socket, true),
    io:format("serving~n"),
    {ok, {_, _, [], Change}} = gen_sctp:recv(Socket, ?LIMIT),
    #sctp_assoc_change{state = comm_up, inbound_streams = 7, assoc_id = Association} = Change,
    echo(Socket),
    {ok, Branch} = gen_sctp:peeloff(Socket, Association),
    ok = inet:setopts(Branch, [{active, true}]),
    echo_actively(Branch),
    ok = gen_sctp:close(Branch),
    ok = gen_sctp:close(Socket),
    io:format("served~n").

echo(Socket) ->
    {ok, {_, _, [Info], Message}} = gen_sctp:recv(Socket, ?LIMIT),
    ok = gen_sctp:send(Socket, same_way(Info), Message).

%% With what a message goes back that came with this.
same_way(#sctp_sndrcvinfo{stream = Stream, ppid = Identifier, assoc_id = Association}) ->
    #sctp_sndrcvinfo{stream = Stream, ppid = Identifier, assoc_id = Association}.

%% Messages come as messages of Erlang.
echo_actively(Socket) ->
    receive
        {sctp, Socket, _, _, {[Info], Message}} when is_binary(Message) ->
            ok = gen_sctp:send(Socket, same_way(Info), Message),
            echo_actively(Socket);
        {sctp, Socket, _, _, {[], #sctp_shutdown_event{}}} ->
            echo_actively(Socket);
        {sctp, Socket, _, _, {[], #sctp_assoc_change{state = shutdown_comp}}} ->
            ok
    after ?LIMIT -> error(nothing_comes)
    end.

call(Addresses, Port) ->
    {ok, Socket} = gen_sctp:open([binary, ?EVENTS, {active, false}, {sctp_nodelay, true}]),
    {ok, [{sctp_nodelay, true}]} = inet:getopts(Socket, [sctp_nodelay]),
    {ok, Change} = gen_sctp:connect(Socket, hd(Addresses), Port, []),
    #sctp_assoc_change{state = comm_up, outbound_streams = 7, assoc_id = Association} = Change,
    {ok, Peers} = inet:peernames(Socket, Association),
    true = lists:sort(Peers) =:= lists:sort([{Address, Port} || Address <- Addresses]),
    {ok, [{sctp_status, Status}]} = inet:getopts(Socket, [{sctp_status, #sctp_status{assoc_id = Association}}]),
    #sctp_status{state = established, primary = #sctp_paddrinfo{state = active}} = Status,
    [ask(Socket, Association, Length) || Length <- [1, 1000, 50000]],
    ok = gen_sctp:eof(Socket, Change),
    {ok, {_, _, [], #sctp_assoc_change{state = shutdown_comp}}} = gen_sctp:recv(Socket, ?LIMIT),
    {error, econnrefused} = refused(Socket, hd(Addresses)),
    ok = gen_sctp:close(Socket),
    io:format("called~n").

ask(Socket, Association, Length) ->
    Message = rand:bytes(Length),
    Info = #sctp_sndrcvinfo{stream = Length rem 7, ppid = Length, assoc_id = Association},
    ok = gen_sctp:send(Socket, Info, Message),
    {ok, {_, _, [Answer], Message}} = gen_sctp:recv(Socket, ?LIMIT),
    #sctp_sndrcvinfo{stream = Stream, ppid = Length} = Answer,
    Stream = Length rem 7,
    io:format("~b bytes~n", [Length]).

%% Nobody listens at this port.
refused(Socket, Address) ->
    case gen_sctp:connect(Socket, Address, 1, [], ?LIMIT) of
        {error, #sctp_assoc_change{state = cant_assoc}} -> {error, econnrefused};
        Other -> Other
    end.
