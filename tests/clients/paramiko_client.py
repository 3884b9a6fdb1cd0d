"""What a program with paramiko does with a workspace; each theme is a function, run by its name.

Usage: paramiko_client.py PORT KEY DIRECTORY THEME
"""

import os
import socket
import stat
import sys
import threading

import paramiko

LIMIT = 60


def run(client, command, **options):
    """Runs a command and returns what it printed, what it complained of, and its status."""
    _, stdout, stderr = client.exec_command(command, timeout=LIMIT, **options)
    return stdout.read(), stderr.read(), stdout.channel.recv_exit_status()


def read_all(channel):
    channel.settimeout(LIMIT)
    received = bytearray()
    while piece := channel.recv(65536):
        received += piece
    return bytes(received)


def commands(client, _directory):
    assert run(client, "echo out; echo err >&2; exit 7") == (b"out\n", b"err\n", 7)
    environment = {"MY_SESSION": "true", "LD_PRELOAD": "x"}
    answer = run(client, "echo $MY_SESSION ${LD_PRELOAD-none}", environment=environment)
    assert answer == (b"true none\n", b"", 0), answer
    # paramiko knows of no exit-signal and says so with -1.
    assert run(client, "kill -9 $$")[2] == -1

    stdin, stdout, _ = client.exec_command("cat; echo end", timeout=LIMIT)
    stdin.write("some input\n")
    stdin.channel.shutdown_write()
    assert stdout.read() == b"some input\nend\n"

    sent = os.urandom(4 << 20)
    channel = client.get_transport().open_session()
    channel.exec_command("cat")
    sender = threading.Thread(target=lambda: (channel.sendall(sent), channel.shutdown_write()))
    sender.start()
    client.get_transport().renegotiate_keys()
    assert read_all(channel) == sent, "with new keys in the middle"
    sender.join()


def terminals(client, _directory):
    for number in range(10):
        channel = client.get_transport().open_session()
        channel.get_pty("vt100", 100, 40)
        channel.exec_command("echo $TERM; stty -echo; stty size; read line; stty size; exit 5")
        received = channel.recv(1024)
        while b"40 100\r\n" not in received:
            received += channel.recv(1024)
        assert received == b"vt100\r\n40 100\r\n", received
        channel.resize_pty(width=120, height=50 + number)
        channel.sendall(b"\n")
        assert read_all(channel) == b"%d 120\r\n" % (50 + number)
        assert channel.recv_exit_status() == 5


def transfers(client, directory):
    sftp = client.open_sftp()
    near, far, back = (os.path.join(directory, name) for name in ("near", "far", "back"))
    sent = os.urandom(8 << 20)
    with open(near, "wb") as file:
        file.write(sent)
    assert sftp.put(near, far).st_size == len(sent)
    sftp.get(far, back)
    with open(back, "rb") as file:
        assert file.read() == sent

    tree = os.path.join(directory, "tree")
    sftp.mkdir(tree, 0o750)
    sftp.chdir(tree)
    assert sftp.getcwd() == tree
    with sftp.open("a", "w+") as file:
        file.write(b"0123456789")
        file.seek(4)
        file.write(b"xx")
        file.truncate(8)
        file.seek(0)
        assert file.read() == b"0123xx67"
        assert file.stat().st_size == 8
    with sftp.open("a", "ab") as file:
        file.write(b"+")
    with sftp.open("a") as file:
        assert file.read() == b"0123xx67+"
    sftp.chmod("a", 0o640)
    sftp.utime("a", (1_000_000_000, 1_100_000_000))
    found = os.stat(os.path.join(tree, "a"))
    assert (stat.S_IMODE(found.st_mode), int(found.st_mtime)) == (0o640, 1_100_000_000)
    sftp.symlink("a", "link")
    assert (sftp.readlink("link"), stat.S_ISLNK(sftp.lstat("link").st_mode)) == ("a", True)
    for number in range(300):
        sftp.open(f"many-{number}", "x").close()
    assert len(sftp.listdir()) == 302
    assert {entry.filename for entry in sftp.listdir_attr()} == set(os.listdir(tree))

    for call, number in [
        (lambda: sftp.stat("missing"), 2),
        (lambda: sftp.rename("a", "link"), None),
        (lambda: sftp.rmdir("."), None),
        (lambda: sftp.open("many-0", "x"), None),
    ]:
        try:
            call()
        except OSError as error:
            assert number is None or error.errno == number, error
        else:
            raise AssertionError("it was allowed")
    sftp.posix_rename("many-1", "many-2")
    sftp.remove("many-2")
    assert len(sftp.listdir()) == 300
    assert sftp.normalize("../tree/./link") == os.path.join(tree, "a")


def echo(listener):
    while True:
        try:
            stream, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=send_back, args=(stream,), daemon=True).start()


def send_back(stream):
    while piece := stream.recv(65536):
        stream.sendall(piece)
    stream.shutdown(socket.SHUT_WR)


def forwards(client, _directory):
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    transport = client.get_transport()
    origin = ("127.0.0.1", 1)
    channel = transport.open_channel("direct-tcpip", server.getsockname(), origin, timeout=LIMIT)
    sent = os.urandom(1 << 20)
    sender = threading.Thread(target=lambda: (channel.sendall(sent), channel.shutdown_write()))
    sender.start()
    assert read_all(channel) == sent, "half of it closes"
    sender.join()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        target = closed.getsockname()
    try:
        transport.open_channel("direct-tcpip", target, origin, timeout=LIMIT)
    except paramiko.ChannelException as error:
        assert error.code == 2, error
    else:
        raise AssertionError("nobody listens there")

    origins = []

    def arrived(channel, origin, _server):
        origins.append(origin)
        threading.Thread(target=send_back, args=(channel,), daemon=True).start()

    port = transport.request_port_forward("127.0.0.1", 0, arrived)
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as stream:
        stream.sendall(b"back and forth")
        stream.shutdown(socket.SHUT_WR)
        assert read_all(stream) == b"back and forth"
        assert origins == [stream.getsockname()], origins
    transport.cancel_port_forward("127.0.0.1", port)
    try:
        socket.create_connection(("127.0.0.1", port), timeout=LIMIT).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("it listens no more")


def main():
    port, key, directory, theme = sys.argv[1:]
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            int(port),
            username="me",
            key_filename=key,
            allow_agent=False,
            look_for_keys=False,
            timeout=LIMIT,
        )
        {f.__name__: f for f in (commands, terminals, transfers, forwards)}[theme](client, directory)


main()
