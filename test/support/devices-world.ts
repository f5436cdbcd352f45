/** Several devices, each with a storage and a clock of its own, on one remote. */
import type { Backend, BackendFactory } from '../../src/backends/backend.ts';
import { memory } from '../../src/backends/memory.ts';
import type { LocalTaskStore } from '../../src/local-task-store.ts';
import { openTaskStore } from '../../src/memory.ts';
import type { SyncOptions, TaskSync } from '../../src/sync.ts';
import { type Handle, Life, RemoteWorld } from './remote-world.ts';
import { guarded } from './sync-world.ts';

export class Device {
  /** A letter; unique. */
  readonly name: string;
  /** So many ms is its clock ahead. */
  readonly ahead: number;
  readonly options: Partial<SyncOptions>;
  life = new Life();
  kept: Backend | undefined;
  store!: LocalTaskStore;

  constructor(name: string, ahead: number, options: Partial<SyncOptions>) {
    this.name = name;
    this.ahead = ahead;
    this.options = options;
  }

  get sync(): TaskSync {
    return this.store.sync as TaskSync;
  }
}

export class DevicesWorld extends RemoteWorld {
  readonly devices: Device[] = [];
  /** What reached the remote and may change something there. */
  readonly changes: string[];

  constructor(handle: Handle) {
    const changes: string[] = [];
    super((request) => {
      if (request.method !== 'GET') changes.push(`${request.method} ${new URL(request.url).pathname}`);
      return handle(request);
    });
    this.changes = changes;
  }

  async add(options: Partial<SyncOptions> = {}, ahead = 0): Promise<Device> {
    const device = new Device('abc'[this.devices.length] as string, ahead, options);
    this.devices.push(device);
    await this.#open(device);
    return device;
  }

  /** Its process is gone, and another begins on the same storage. */
  async restart(device: Device): Promise<void> {
    device.life.isOver = true;
    await this.#open(device);
  }

  async #open(device: Device): Promise<void> {
    const life = new Life();
    device.life = life;
    const { environment, sync } = this.place(life, device.options, { openChannel: null, locks: null });
    const open = async (context: Parameters<BackendFactory['open']>[0]) =>
      guarded((device.kept ??= await memory().open(context)), life, {});
    device.store = await openTaskStore({
      backend: { kind: 'kept', unsuitable: () => undefined, open },
      environment: { ...environment, now: () => this.now + device.ahead },
      sync,
    });
  }
}
