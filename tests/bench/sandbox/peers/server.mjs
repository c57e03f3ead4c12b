// An MCP server over stdio with one trivial tool: how long the machine has been up.
import { readFile } from 'node:fs/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';

const server = new McpServer({ name: 'uptime', version: '1.0.0' });
server.registerTool('uptime', { description: 'How long the machine has been up' }, async () => {
  const seconds = Math.trunc(Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]));
  return { content: [{ type: 'text', text: JSON.stringify({ seconds }) }] };
});
await server.connect(new StdioServerTransport());
