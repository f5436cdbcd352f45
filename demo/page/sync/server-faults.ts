/** The switches that lie on the server: its endpoint down, its key revoked. */
export interface ServerFaults {
  readonly down: boolean;
  readonly revoked: boolean;
}

/** Undefined where there is no such server. */
export async function readFaults(): Promise<ServerFaults | undefined> {
  return request();
}

export async function setFaults(change: Partial<ServerFaults>): Promise<ServerFaults | undefined> {
  return request({
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
  });
}

async function request(init?: RequestInit): Promise<ServerFaults | undefined> {
  try {
    const response = await fetch('/demo/faults', init);
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}
