import { userInfo } from 'node:os';

/** Configuration of a Swift on one machine: five devices that are directories, three copies. */

export interface SwiftPorts {
  readonly proxy: number;
  readonly object: number;
  readonly container: number;
  readonly account: number;
  readonly memcached: number;
}

export type SwiftServer = 'proxy' | 'object' | 'container' | 'account';

export const SWIFT_DEVICES = 5;
export const SWIFT_COPIES = 3;

function common(directory: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
swift_dir = ${directory}
user = ${userInfo().username}
workers = 2
log_level = WARNING
`;
}

function storage(directory: string, server: Exclude<SwiftServer, 'proxy'>, port: number): string {
  return `${common(directory, port)}devices = ${directory}/devices
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = ${server}-server
[app:${server}-server]
use = egg:swift#${server}
`;
}

export function swiftConfigs(directory: string, ports: SwiftPorts): Record<SwiftServer, string> {
  return {
    account: storage(directory, 'account', ports.account),
    container: storage(directory, 'container', ports.container),
    // Without these a read of more than 5 MiB is dropped from the page cache, and Swift alone would read the disk.
    object: `${storage(directory, 'object', ports.object)}keep_cache_private = true
keep_cache_size = 67108864
`,
    // No authentication at all, which is to Swift's favour.
    proxy: `${common(directory, ports.proxy)}[pipeline:main]
pipeline = catch_errors gatekeeper cache proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${ports.memcached}
`,
  };
}
