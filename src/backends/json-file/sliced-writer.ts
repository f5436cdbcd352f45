import { crc32 } from './crc32.ts';
import { type FileSystem, nextTurn, syncAsync, writeFullyAsync } from './file-system.ts';
import type { SnapshotFile } from './tail.ts';

/** Bytes gathered before they are written, and read at a time. */
const CHUNK = 256 * 1024;

/** So much is synced at a time: all of it at the end would keep the disk from everybody else for long. */
const SYNC_BYTES = 16 * 1024 * 1024;

/** How long to go on before everything else gets its turn, in milliseconds. */
const SLICE_MS = 2;

/** Writes a long file bit by bit: it awaits its turn often enough that nobody waits for it. */
export class SlicedWriter {
  /** Where the next byte goes. */
  position = 0;
  /** Of what is written. */
  checksum = 0;
  readonly #fs: FileSystem;
  readonly #fd: number;
  #buffer = Buffer.allocUnsafe(2 * CHUNK);
  #filled = 0;
  #synced = 0;
  readonly #space = Buffer.allocUnsafeSlow(4 * CHUNK);
  #window = this.#space.subarray(0, 0);
  #windowStart = 0;
  #sliceEnd = performance.now() + SLICE_MS;

  constructor(fs: FileSystem, fd: number) {
    this.#fs = fs;
    this.#fd = fd;
  }

  text(text: string): void {
    this.#reserve(text.length > CHUNK ? Buffer.byteLength(text) : text.length * 3);
    const written = this.#buffer.write(text, this.#filled);
    this.#filled += written;
    this.position += written;
  }

  /** Passes bytes of another file through as they are. */
  async copy(from: SnapshotFile, start: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = start + done;
      if (!this.#covers(at)) await this.#load(from, at, Math.max(CHUNK, Math.min(length - done, 4 * CHUNK)));
      done += this.#take(at, length - done);
      if (this.isDue) await this.pause();
    }
  }

  /** As `copy`, for what is at hand already; answers whether it was. */
  copyNow(start: number, length: number): boolean {
    if (!this.#covers(start) || !this.#covers(start + length - 1)) return false;
    this.#take(start, length);
    return true;
  }

  /** Lets others have their turn where it is time to; call it often. */
  async pause(): Promise<void> {
    if (this.#filled >= CHUNK) await this.flush();
    if (performance.now() < this.#sliceEnd) return;
    await nextTurn();
    this.#sliceEnd = performance.now() + SLICE_MS;
  }

  /** Whether it is time to `pause`. */
  get isDue(): boolean {
    return this.#filled >= CHUNK || performance.now() >= this.#sliceEnd;
  }

  async flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#filled);
    await writeFullyAsync(this.#fs, this.#fd, bytes, this.position - this.#filled);
    this.checksum = crc32(bytes, this.checksum);
    this.#filled = 0;
    if (this.position - this.#synced >= SYNC_BYTES) {
      await syncAsync(this.#fs, this.#fd);
      this.#synced = this.position;
    }
    if (this.#buffer.length > 8 * CHUNK) this.#buffer = Buffer.allocUnsafe(2 * CHUNK);
    this.#sliceEnd = performance.now() + SLICE_MS;
  }

  #covers(at: number): boolean {
    return at >= this.#windowStart && at < this.#windowStart + this.#window.length;
  }

  #take(at: number, most: number): number {
    const first = at - this.#windowStart;
    const bytes = this.#window.subarray(first, first + most);
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.#filled);
    this.#filled += bytes.length;
    this.position += bytes.length;
    return bytes.length;
  }

  async #load(from: SnapshotFile, start: number, length: number): Promise<void> {
    // At least one byte, where the file was cut off meanwhile: nothing to read would be tried for ever.
    const window = this.#space.subarray(0, Math.min(length, Math.max(1, from.size() - start)));
    this.#window = window.subarray(0, 0);
    await from.readInto(window, start);
    this.#window = window;
    this.#windowStart = start;
  }

  /** Makes room; what was gathered stays, to be written by the next `pause` or `flush`. */
  #reserve(bytes: number): void {
    if (this.#filled + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(this.#filled + bytes + CHUNK);
    this.#buffer.copy(larger, 0, 0, this.#filled);
    this.#buffer = larger;
  }
}
