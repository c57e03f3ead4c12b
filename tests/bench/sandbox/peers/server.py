"""An MCP server over stdio with one trivial tool: how long the machine has been up."""

from mcp.server import MCPServer

server = MCPServer("uptime", log_level="WARNING")


@server.tool()
def uptime() -> dict:
    with open("/proc/uptime") as file:
        return {"seconds": int(float(file.read().split()[0]))}


server.run()
