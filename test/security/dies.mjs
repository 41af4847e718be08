/** Preloaded into a process: at SIGUSR2 it dies of an error that tells its secrets, as a library's could. */
process.on('SIGUSR2', () => {
  setImmediate(() => {
    const { TEMPORAL_API_KEY = '', TEMPORAL_TLS_CLIENT_KEY_DATA = '', TOLD = '' } = process.env;
    const said = [TEMPORAL_API_KEY, TEMPORAL_TLS_CLIENT_KEY_DATA, TOLD].filter(Boolean).join(' ');
    throw new Error(`cannot go on with ${said} ${Buffer.from(said).toString('base64')} ${encodeURIComponent(said)}`);
  });
});
