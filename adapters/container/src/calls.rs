//! The calls with which a container is replaced by another one: here, or on another host.

use std::time::Duration;

use bollard::{
    Docker,
    container::CreateCheckpointOptions,
    errors::Error,
    models::{ContainerCreateBody, ContainerUpdateBody, ImageConfig, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{
        CreateContainerOptions, DownloadFromContainerOptions, ImportImageOptions, RemoveContainerOptions,
        RenameContainerOptions, StartContainerOptions, UploadToContainerOptions,
    },
};
use futures_util::TryStreamExt;
use homeostat_port::AdapterError;

use crate::connection::Connection;

/// For calls that change one entry of the engine's books.
const BOOKS: Duration = Duration::from_secs(30);

/// For calls that write or read all memory or all files of a container: hundreds of gigabytes over a common network. The step's
/// own timeout is shorter.
const BULK: Duration = Duration::from_secs(3600);

/// A file that is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is another one; of a folder, something in it is.
    Modified(String),
    /// It is new, with all that is in it.
    Added(String),
    /// It is gone.
    Deleted(String),
}

impl Change {
    /// Which file.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Modified(path) | Self::Added(path) | Self::Deleted(path) => path,
        }
    }
}

impl Connection {
    /// Makes a container and gives the engine's id of it.
    pub(crate) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, AdapterError> {
        let (docker, _) = self.client().await?;
        let options = CreateContainerOptions { name: Some(name.into()), ..CreateContainerOptions::default() };
        let made = docker.create_container(Some(options), body);
        self.within(BOOKS, &format!("create {name}"), made).await.map(|made| made.id)
    }

    /// Gives a container another name.
    pub(crate) async fn rename(&self, container: &str, name: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let options = RenameContainerOptions { name: name.into() };
        self.within(BOOKS, &format!("rename {container}"), docker.rename_container(container, options)).await
    }

    /// Removes a container that does not run, and leaves its volumes. One that is gone already is fine.
    pub(crate) async fn remove(&self, container: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let removed = async {
            match docker.remove_container(container, None::<RemoveContainerOptions>).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
                removed => removed,
            }
        };
        self.within(BOOKS, &format!("remove {container}"), removed).await
    }

    /// Changes when the engine starts a container by itself.
    pub(crate) async fn restart_policy(&self, container: &str, policy: RestartPolicy) -> Result<(), AdapterError> {
        self.update(container, ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() })
            .await
    }

    /// Keeps the engine from starting a container by itself.
    pub(crate) async fn never_restart(&self, container: &str) -> Result<(), AdapterError> {
        let never = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
        self.restart_policy(container, never).await
    }

    /// Whether the engine has this network.
    pub(crate) async fn has_network(&self, name: &str) -> Result<bool, AdapterError> {
        let (docker, _) = self.client().await?;
        self.found(docker.inspect_network(name, None), &format!("look for the network {name}"))
            .await
            .map(|it| it.is_some())
    }

    /// The id of an image, by its name or id; `None` when the engine does not have it.
    pub(crate) async fn image(&self, name: &str) -> Result<Option<String>, AdapterError> {
        let (docker, _) = self.client().await?;
        let found = self.found(docker.inspect_image(name), &format!("look for the image {name}")).await?;
        Ok(found.and_then(|image| image.id))
    }

    /// What the image `id` says of the containers that are made from it; `None` when there is no such image.
    pub(crate) async fn image_config(&self, id: &str) -> Result<Option<ImageConfig>, AdapterError> {
        let (docker, _) = self.client().await?;
        let found = self.found(docker.inspect_image(id), &format!("look for the image {id}")).await?;
        Ok(found.and_then(|image| image.config))
    }

    /// What 404 says is `None`.
    async fn found<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
        operation: &str,
    ) -> Result<Option<T>, AdapterError> {
        let asked = async {
            match call.await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                answered => answered.map(Some),
            }
        };
        self.within(BOOKS, operation, asked).await
    }

    /// Gives the image `name` of this engine to another one.
    pub(crate) async fn give_image(&self, name: &str, other: &Self) -> Result<(), AdapterError> {
        let ((docker, _), (there, _)) = (self.client().await?, other.client().await?);
        let saved = docker.export_image(name).map_err(std::io::Error::other);
        let loaded = there.import_image(ImportImageOptions::default(), bollard::body_try_stream(saved), None);
        let loaded = async { loaded.try_for_each(|_| async { Ok(()) }).await };
        other.within(BULK, &format!("take over the image {name}"), loaded).await
    }

    /// Writes a running container to files and ends it.
    pub(crate) async fn checkpoint(&self, container: &str, name: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let options = CreateCheckpointOptions { checkpoint_id: name.into(), checkpoint_dir: None, exit: true };
        self.within(BULK, &format!("checkpoint {container}"), docker.create_checkpoint(container, options)).await
    }

    /// Brings a container to life from the checkpoint of this name.
    pub(crate) async fn restore(&self, container: &str, name: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let started = with_parameter(docker, format!("checkpoint={name}"));
        let call = started.start_container(container, None::<StartContainerOptions>);
        self.within(BULK, &format!("restore {container}"), call).await
    }

    /// Whether the container has a checkpoint of this name.
    pub(crate) async fn has_checkpoint(&self, container: &str, name: &str) -> Result<bool, AdapterError> {
        let (docker, facts) = self.client().await?;
        if !facts.checkpoints {
            return Ok(false);
        }
        let listed = docker.list_checkpoints(container, None);
        let all = self.within(BOOKS, &format!("list the checkpoints of {container}"), listed).await?;
        Ok(all.iter().any(|checkpoint| checkpoint.name == name))
    }

    /// The files of a container that differ from its image's.
    pub(crate) async fn changes(&self, container: &str) -> Result<Vec<Change>, AdapterError> {
        let (docker, _) = self.client().await?;
        let listed = docker.container_changes(container);
        let changes = self.within(BOOKS, &format!("list the changes of {container}"), listed).await?;
        let kind = |change: bollard::models::FilesystemChange| match change.kind {
            bollard::models::ChangeType::_0 => Change::Modified(change.path),
            bollard::models::ChangeType::_1 => Change::Added(change.path),
            bollard::models::ChangeType::_2 => Change::Deleted(change.path),
        };
        Ok(changes.into_iter().flatten().map(kind).collect())
    }

    /// Copies what is at `path` in a container of this engine into the folder `into` of a container of another one.
    pub(crate) async fn copy(
        &self,
        (container, path): (&str, &str),
        other: &Self,
        (target, into): (&str, &str),
    ) -> Result<(), AdapterError> {
        let ((docker, _), (there, _)) = (self.client().await?, other.client().await?);
        let read = docker.download_from_container(container, Some(DownloadFromContainerOptions { path: path.into() }));
        let read = read.map_err(std::io::Error::other);
        let options = UploadToContainerOptions { path: into.into(), ..UploadToContainerOptions::default() };
        let written = there.upload_to_container(target, Some(options), bollard::body_try_stream(read));
        other.within(BULK, &format!("copy {path} of {container}"), written).await
    }
}

/// A client that puts one more parameter into its requests: for what the library does not offer.
fn with_parameter(docker: Docker, parameter: String) -> Docker {
    docker.with_request_modifier(move |mut request| {
        let address = request.uri().to_string();
        let separator = if address.contains('?') { '&' } else { '?' };
        // What was an address and has got a parameter is an address.
        if let Ok(address) = format!("{address}{separator}{parameter}").parse() {
            *request.uri_mut() = address;
        }
        request
    })
}
