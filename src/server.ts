/** `holdfast/server`: an endpoint that speaks Elkar's wire, over any store. */
export { type Authorize, apiKeys, equalsInConstantTime } from './elkar/api-keys.ts';
export { createElkarHandler, type ElkarHandler, type ElkarHandlerOptions } from './elkar/handler.ts';
