/** What tests name in `access.allowed_networks`: their far ends are on this machine. */
export const LOCAL_NETWORKS: readonly string[] = ['127.0.0.0/8', '::1/128']
